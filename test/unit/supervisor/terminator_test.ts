/** The end of a service is bounded, also where every look at its traffic takes long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Terminator } from "../../../src/supervisor/terminator.ts";

const LOOK_MS = 150;

test("looks that take long do not put the end off: one when the time is over, and one after it", async () => {
  let looks = 0;
  const terminator = new Terminator({
    policy: {
      ...{ minDrainMs: 20, maxDrainMs: 30, quietMs: 10, stopTimeMs: 0 },
      ...{ finishesRequests: false, expectsListener: false, skipsEmptying: false },
    },
    look: () => {
      looks++;
      const untilMs = performance.now() + LOOK_MS;
      while (performance.now() < untilMs);
      return { fresh: 1, busy: 1, idle: 0, listening: true };
    },
    endIdle: () => {},
    onBegin: () => {},
    onPhase: () => {},
    signal: () => {},
    kill: () => {},
  });
  const startedAtMs = performance.now();
  await terminator.drain();
  terminator.close();
  assert.equal(looks, 2);
  const tookMs = performance.now() - startedAtMs;
  // A pause as long as a look before each of them would be 2 * LOOK_MS more.
  assert.ok(tookMs < 3.5 * LOOK_MS, `${tookMs} ms`);
});
