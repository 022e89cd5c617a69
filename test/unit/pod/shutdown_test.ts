/** The end of a service is bounded, also where every look at its traffic takes long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Shutdown } from "../../../src/pod/shutdown.ts";
import { waitUntil } from "../../support/wait_until.ts";

const LOOK_MS = 150;

test("looks that take long do not put the end off: one when the time is over, and one after it", async () => {
  let looks = 0;
  const shutdown = new Shutdown({
    policy: {
      ...{ minDrainMs: 20, maxDrainMs: 30, quietMs: 10, stopTimeMs: 0 },
      ...{ finishesRequests: false, expectsListener: false, skipsDrain: false },
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
  await shutdown.drain();
  shutdown.close();
  assert.equal(looks, 2);
  const tookMs = performance.now() - startedAtMs;
  // A pause as long as a look before each of them would be 2 * LOOK_MS more.
  assert.ok(tookMs < 3.5 * LOOK_MS, `${tookMs} ms`);
});

for (const [later, expected] of [[0, 0], [2, 2], [null, 0]] as const) {
  test(`TERM long after a drain cuts who is busy then: ${later ?? "unknown"}`, async () => {
    let busy: number | null = 1;
    const signals: number[] = [];
    const shutdown = new Shutdown({
      policy: {
        ...{ minDrainMs: 0, maxDrainMs: 20, quietMs: 10, stopTimeMs: 0 },
        ...{ finishesRequests: false, expectsListener: false, skipsDrain: false },
      },
      look: () => {
        if (busy === null) throw new Error("EMFILE");
        return { fresh: 0, busy, idle: 0, listening: true };
      },
      endIdle: () => {},
      onBegin: () => {},
      onPhase: () => {},
      signal: (spentMs) => signals.push(spentMs),
      kill: () => {},
    });
    await shutdown.drain();
    assert.equal(shutdown.latestLook?.busy, 1, "the time was over");
    busy = later;
    if (later === null) assert.throws(() => shutdown.requestStop(), /EMFILE/);
    else shutdown.requestStop();
    shutdown.close();
    assert.equal(shutdown.cut, expected);
    assert.equal(signals.length, 1, "whatever could be seen");
  });
}

test("cut is what was owed something at the signal, once, and what was closed before it", async () => {
  const spans: number[] = [];
  const shutdown = new Shutdown({
    policy: {
      ...{ minDrainMs: 0, maxDrainMs: 80, quietMs: 10, stopTimeMs: 20 },
      ...{ finishesRequests: false, expectsListener: false, skipsDrain: false },
    },
    look: () => ({ fresh: 0, busy: 5, owed: 2, undecided: 3, idle: 0, listening: true }),
    closeLongLived: (_, { beganAtMs, endsAtMs }) => spans.push(endsAtMs - beganAtMs) === 1 ? 4 : 0,
    endIdle: () => {},
    onBegin: () => {},
    onPhase: () => {},
    signal: () => {},
    kill: () => shutdown.serverExited(),
  });
  shutdown.requestStop();
  await waitUntil(() => shutdown.phase === "over", { what: "it has had KILL" });
  shutdown.close();
  assert.deepEqual([shutdown.cut, shutdown.undecided], [6, 3]);
  assert.deepEqual([...new Set(spans.map(Math.round))], [60], "until the stop signal");
});
