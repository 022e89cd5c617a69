/** A shutdown is bounded, also where every look at its traffic takes long; and what counts as cut. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Shutdown, type ShutdownOptions } from "../../../src/pod/shutdown.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const POLICY = {
  minDrainMs: 0,
  maxDrainMs: 80,
  quietMs: 10,
  stopTimeMs: 20,
  finishesRequests: false,
  expectsListener: false,
  skipsDrain: false,
};
const LOOK = { fresh: 0, busy: 1, idle: 0, listening: true };

type Options = Partial<Omit<ShutdownOptions, "traffic"> & ShutdownOptions["traffic"]>;

function shutdownOf(options: Options, clock: FakeClock): Shutdown {
  return new Shutdown({
    clock,
    policy: POLICY,
    traffic: { sample: () => LOOK, closeIdle: () => {}, closeLongLived: () => 0, ...options },
    ...options,
  });
}

describe("Shutdown", () => {
  test("looks that take long do not delay the end: one at the deadline, and one after it", async () => {
    const LOOK_MS = 150;
    const clock = new FakeClock();
    let spentMs = 0;
    let looks = 0;
    const shutdown = shutdownOf({
      clock: {
        now: () => clock.now() + spentMs,
        wallMs: () => clock.wallMs(),
        after: (delayMs, fire) => clock.after(delayMs, fire),
      },
      policy: { ...POLICY, minDrainMs: 20, maxDrainMs: 30, stopTimeMs: 0 },
      sample: () => {
        looks++;
        spentMs += LOOK_MS;
        return { ...LOOK, fresh: 1 };
      },
    }, clock);
    let isDrained = false;
    void shutdown.drain().then(() => isDrained = true);
    // 50 ms until the deadline, then one more interval: no pause as long as a look.
    await clock.advance(50 + 20);
    shutdown.close();
    assert.deepEqual([looks, isDrained, clock.pending], [2, true, 0]);
  });

  test("a look has until the deadline, and a second at least", async () => {
    const clock = new FakeClock();
    const looks: [number, number][] = [];
    const policy = { ...POLICY, minDrainMs: 500, maxDrainMs: 1_000, stopTimeMs: 0 };
    const sample = (atMs: number, untilMs: number) => {
      looks.push([atMs, untilMs]);
      return LOOK;
    };
    const shutdown = shutdownOf({ clock, policy, sample }, clock);
    void shutdown.drain();
    await clock.advance(2_000);
    shutdown.close();
    assert.deepEqual(looks[0], [100, 1_500]);
    assert.deepEqual(looks.at(-1), [1_500, 2_500]);
    for (const [atMs, untilMs] of looks) assert.equal(untilMs, Math.max(1_500, atMs + 1_000));
  });

  for (const [later, expected] of [[0, 0], [2, 2], [null, 0]] as const) {
    test(`TERM long after a drain cuts connections that are busy then: ${later ?? "unknown"}`, async () => {
      const clock = new FakeClock();
      let busy: number | null = 1;
      const signals: number[] = [];
      const shutdown = shutdownOf({
        sample: () => {
          if (busy === null) throw new Error("EMFILE");
          return { ...LOOK, busy };
        },
        signal: (spentMs) => signals.push(spentMs),
      }, clock);
      void shutdown.drain();
      await clock.advance(POLICY.maxDrainMs);
      assert.deepEqual([shutdown.phase, shutdown.latestLook?.busy], ["drained", 1]);
      busy = later;
      if (later === null) assert.throws(() => shutdown.requestStop(), /EMFILE/);
      else shutdown.requestStop();
      shutdown.close();
      assert.equal(shutdown.cut, expected);
      assert.equal(signals.length, 1, "whatever could be seen");
    });
  }

  test("what is cut counts once: at the signal, at KILL, and what was closed before", async () => {
    const clock = new FakeClock();
    const spans: number[] = [];
    const shutdown: Shutdown = shutdownOf({
      sample: () => ({ ...LOOK, busy: 5, owed: 2, undecided: 3 }),
      closeLongLived: (_, { beganAtMs, endsAtMs }) =>
        spans.push(endsAtMs - beganAtMs) === 1 ? 4 : 0,
      kill: () => shutdown.serverExited(),
    }, clock);
    shutdown.requestStop();
    await clock.advance(2_000);
    assert.equal(shutdown.phase, "over", "KILL has ended it");
    assert.deepEqual([shutdown.cut, shutdown.undecided, clock.pending], [6, 3, 0]);
    assert.deepEqual([...new Set(spans.map(Math.round))], [60], "until the stop signal");
  });
});
