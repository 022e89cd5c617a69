/** Whose connections are moved when a generation is replaced, and for how long the next one must be able to take them. */
import type { RunningContext } from "../../../src/generation/context.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PRESETS } from "../../../src/config/presets.ts";
import { SYSTEM_CLOCK } from "../../../src/platform/clock.ts";
import type { ServiceEvent } from "../../../src/lifecycle/vocabulary.ts";
import { Stopping } from "../../../src/generation/stopping.ts";
import { NO_FACTS } from "../../../src/succession/state/resume_state.ts";

const EPOCH = 3;

/** A generation without processes, connections and listeners: it is drained as soon as it can be. */
function generation(takesConnections: boolean, needed = { isNeeded: false }) {
  const { promise: drained, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const inFlight = { inodes: new Set(), hasUnreadRequest: false };
  const preparing = new Map<number, () => void>();
  const context = {
    platform: { clock: SYSTEM_CLOCK },
    listeners: { groups: [], groupsOf: () => [], standsIn: () => needed.isNeeded },
    config: { drain: "auto", stopSignal: null, quietMs: 0, drainTimeMs: 60_000, stopTimeMs: 0 },
    preset: PRESETS.find(({ graceful }) => !graceful),
    migration: { preparing, cancelAll: () => calls++, inFlight },
    dispatch: ({ kind }: ServiceEvent) => kind === "drained" && resolve(),
    log: () => {},
    logError: () => {},
  } as unknown as RunningContext;
  const facts = { ...NO_FACTS, takesConnections };
  const server = { processes: () => [], signal: () => {}, kill: () => {} };
  const timers = { dueAtMs: () => null };
  return {
    stopping: new Stopping({ context, epoch: EPOCH, facts, server, timers }),
    facts,
    preparing,
    drained,
    inFlight,
    abandoned: () => calls,
  };
}

describe("Stopping.drain()", () => {
  const cases: [takes: boolean, heirTakes: boolean, isLast: boolean, moves: boolean][] = [
    [true, true, false, true],
    // Its shutdown(2) is not trapped: it could end what is the heir's already.
    [false, true, false, false],
    [true, false, false, false],
    [true, true, true, false],
  ];
  for (const [takes, heirTakes, isLast, moves] of cases) {
    const asked = (is: boolean) => is ? "asked" : "not asked";
    const why = `it is ${asked(takes)}, its heir ${asked(heirTakes)}${isLast ? ", a stop" : ""}`;
    test(`${moves ? "moves" : "leaves"} connections: ${why}`, async () => {
      const { stopping, facts, preparing, drained } = generation(takes);
      stopping.beginDrain(isLast, heirTakes);
      assert.deepEqual(
        [...preparing.keys()],
        moves ? [EPOCH] : [],
        "until then its heirs must take them",
      );
      if (!isLast) await drained;
      assert.equal(facts.kept !== null, moves);
      assert.equal(preparing.size, 0, "all are on their way");
      stopping.cancel();
    });
  }

  test("lets connections stay when who would get them is to stop", async () => {
    const { stopping, facts, preparing, drained } = generation(true);
    stopping.beginDrain(false, true);
    preparing.get(EPOCH)?.();
    assert.equal(preparing.size, 0);
    await drained;
    assert.equal(facts.kept, null);
  });

  test("moves them only when it is not needed beside its heir any more", async () => {
    const needed = { isNeeded: true };
    const { stopping, facts, preparing, drained } = generation(true, needed);
    stopping.beginDrain(false, true);
    assert.equal(preparing.size, 0, "it goes on, and would read from them too");
    await drained;
    assert.equal(facts.kept, null);
    needed.isNeeded = false;
    stopping.beginDrain(false, true);
    assert.deepEqual([...preparing.keys()], [EPOCH]);
    stopping.cancel();
  });

  test("says so to all others when it is the last", () => {
    const { stopping, abandoned } = generation(true);
    stopping.beginDrain(true, false);
    assert.equal(abandoned(), 1);
    stopping.cancel();
  });

  test("waits, as the last, for requests that are on their way to it", async () => {
    const { stopping, inFlight, drained } = generation(true);
    inFlight.hasUnreadRequest = true;
    stopping.beginDrain(true, false);
    let isDrained = false;
    const end = drained.then(() => isDrained = true);
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    // Its next look but one: the first has taken place.
    let looks = 0;
    Object.defineProperty(inFlight, "hasUnreadRequest", {
      get: () => {
        if (++looks === 2) resolve();
        return looks <= 2;
      },
    });
    await asked;
    assert.equal(isDrained, false);
    await end;
    assert.equal(looks, 3);
  });

  test("is not on the way any more when it is cancelled", () => {
    const { stopping, preparing } = generation(true);
    stopping.beginDrain(false, true);
    stopping.cancel();
    assert.equal(preparing.size, 0);
  });
});
