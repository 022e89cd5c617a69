/** Any signal as an event: what the runtimes do not hand on comes all the same, to whichever thread the kernel gives it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Platform } from "../../src/platform/platform.ts";
import { relaySignal } from "../../src/platform/process/signal_relay.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

/** USR1, WINCH, the first, fourth and last real-time one. */
const SIGNALS = [10, 28, 34, 37, 64];
const IGNORED = 28;

function send(platform: Platform, signal: number): void {
  assert.ok(platform.processes.signal(platform.runtime.pid, signal));
}

describe("relaySignal()", () => {
  for (const signal of SIGNALS) {
    test(`calls its handler for signal ${signal}`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      let calls = 0;
      const remove = relaySignal(platform, signal, () => calls++);
      try {
        for (let sent = 1; sent <= 3; sent++) {
          send(platform, signal);
          await waitUntil(() => calls === sent, { what: `delivery ${sent} of ${signal}` });
        }
      } finally {
        remove();
      }
      assert.equal(platform.reactor.size, 0, "nothing is watched any more");
    });
  }

  test("puts back what the signal did before", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const calls: string[] = [];
    const removeOuter = relaySignal(platform, IGNORED, () => calls.push("outer"));
    const removeInner = relaySignal(platform, IGNORED, () => calls.push("inner"));
    send(platform, IGNORED);
    await waitUntil(() => calls.length === 1, { what: "the later one is called" });
    removeInner();
    send(platform, IGNORED);
    await waitUntil(() => calls.length === 2, { what: "the earlier one is called" });
    removeOuter();
    send(platform, IGNORED);
    assert.deepEqual(calls, ["inner", "outer"]);
  });

  test("says which signal cannot be had", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    assert.throws(() => relaySignal(platform, 9, () => {}), /Cannot sigaction signal 9: /);
    assert.equal(platform.reactor.size, 0, "nothing is watched");
  });
});
