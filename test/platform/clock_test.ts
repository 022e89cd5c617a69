/** The clock that all of baton waits by: each timer fires once, and none after it was cancelled. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testRuntime } from "../support/test_platform.ts";

const runtime = await testRuntime();
/** Parts of a millisecond have another way than whole ones. */
const DELAYS_MS = [0, 0.25, 1];

for (const delayMs of DELAYS_MS) {
  describe(`after ${delayMs} ms`, () => {
    const clock = systemClock(runtime);

    test("a timer fires once, and not before", { timeout: TEST_TIMEOUT_MS }, async () => {
      const fired: number[] = [];
      const startedAtMs = clock.now();
      await new Promise<void>((resolve) => {
        clock.after(delayMs, () => {
          fired.push(clock.now());
          clock.after(5, resolve);
        });
      });
      assert.equal(fired.length, 1);
      // The runtime's own timers count from the beginning of a turn of the event loop.
      const leastMs = delayMs < 1 ? delayMs - 0.05 : 0;
      assert.ok(fired[0]! - startedAtMs >= leastMs, `${fired[0]! - startedAtMs} ms`);
    });

    test("one that was cancelled does not", { timeout: TEST_TIMEOUT_MS }, async () => {
      const fired: string[] = [];
      clock.after(delayMs, () => fired.push("cancelled")).cancel();
      await new Promise<void>((resolve) => void clock.after(5, resolve));
      assert.deepEqual(fired, []);
    });
  });
}

test("without short pauses a part of a millisecond is a timer of the runtime", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const clock = systemClock({ shortPause: null });
  await new Promise<void>((resolve) => void clock.after(0.25, resolve));
});
