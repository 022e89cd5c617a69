/** The clock that all of baton waits by: each timer fires once, and none after it was cancelled. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { runCommand } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { REPOSITORY } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { runtimeCommand, testRuntime } from "../support/test_platform.ts";

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

test("a program that waits for a timer only is kept alive by it, however short it is", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  using dir = tempDir("clock");
  const script = join(dir.path, "wait.ts");
  const code = `import { systemClock } from ${
    JSON.stringify(join(REPOSITORY, "src/platform/clock.ts"))
  };
import { testRuntime } from ${JSON.stringify(join(REPOSITORY, "test/support/test_platform.ts"))};
const clock = systemClock(await testRuntime());
clock.after(5, () => clock.after(0.25, () => console.log("fired")));
`;
  writeFileSync(script, code);
  const { code: status, stdout, stderr } = await runCommand(runtimeCommand(script));
  assert.deepEqual([status, stdout.trim()], [0, "fired"], stderr);
});

test("without short pauses a part of a millisecond is a timer of the runtime", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const clock = systemClock({ shortPause: null });
  await new Promise<void>((resolve) => void clock.after(0.25, resolve));
});
