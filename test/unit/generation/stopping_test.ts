/** Whose connections are moved when a generation is replaced, and for how long the next one must be able to take them. */
import type { RunningContext } from "../../../src/generation/context.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { presetForCommand, PRESETS } from "../../../src/config/presets.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { ServiceEvent } from "../../../src/lifecycle/vocabulary.ts";
import type { SharedParts } from "../../../src/generation/handle.ts";
import { Stopping } from "../../../src/generation/stopping.ts";
import { NO_FACTS } from "../../../src/succession/state/resume_state.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const EPOCH = 3;
const STOP_TIME_MS = 2_000;
/** Longer than a drain without connections takes. */
const DRAINED_MS = 5_000;

/** A generation without processes, connections and listeners: it is drained as soon as it can be. */
function generation(takesConnections: boolean, needed = { isNeeded: false }, graceful = false) {
  const clock = new FakeClock();
  // A mover that works asks for no delay at all: time must pass all the same.
  const ticking: Clock = {
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, fire) => clock.after(Math.max(1, delayMs), fire),
  };
  const listeners = {
    groups: [],
    ports: [],
    heldEpoch: null,
    groupsOf: (): unknown[] => [],
    standsIn: () => needed.isNeeded,
  };
  const log: string[] = [];
  const { promise: drained, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const inFlight = { inodes: new Set(), hasUnreadRequest: false, wakeAccepted: () => {} };
  const preparing = new Map<number, () => void>();
  const context = {
    platform: { clock: ticking, sockDiag: { tcpByLocalPorts: () => [] } },
    listeners,
    config: {
      drain: "auto",
      stopSignal: null,
      quietMs: 0,
      drainTimeMs: 60_000,
      stopTimeMs: STOP_TIME_MS,
    },
    preset: presetForCommand([PRESETS.find((preset) => preset.graceful === graceful)!.program]),
    migration: { preparing, cancelAll: () => calls++, inFlight },
    dispatch: ({ kind }: ServiceEvent) => kind === "drained" && resolve(),
    leftovers: { killed: [] },
    log: () => {},
    logError: (text: string) => log.push(text),
  } as unknown as RunningContext;
  const facts = { ...NO_FACTS, takesConnections };
  const pids: number[] = [];
  const server = {
    processes: () => pids,
    signalStop: (signal: number) => log.push(`signal ${signal}`),
    kill: () => log.push("kill"),
    alive: [],
  };
  const timers = { dueAtMs: () => null };
  const workers = () => server;
  const shared = { context, epoch: EPOCH, facts, workers, timers } as unknown as SharedParts;
  return {
    stopping: new Stopping(shared),
    facts,
    clock,
    listeners,
    log,
    pids,
    preparing,
    drained,
    inFlight,
    abandoned: () => calls,
  };
}

function successor(takesConnections: boolean) {
  return { takesConnections, processes: () => [] };
}

describe("Stopping.beginDrain()", () => {
  const cases: [takes: boolean, successorTakes: boolean, isLast: boolean, moves: boolean][] = [
    [true, true, false, true],
    // Its shutdown(2) is not trapped: it could end what is the successor's already.
    [false, true, false, false],
    [true, false, false, false],
    [true, true, true, false],
  ];
  for (const [takes, successorTakes, isLast, moves] of cases) {
    const asked = (is: boolean) => is ? "asked" : "not asked";
    const why = `it is ${asked(takes)}, its successor ${asked(successorTakes)}${
      isLast ? ", a stop" : ""
    }`;
    test(`${moves ? "moves" : "leaves"} connections: ${why}`, async () => {
      const { clock, stopping, facts, preparing, drained } = generation(takes);
      stopping.beginDrain(isLast, successor(successorTakes));
      assert.deepEqual(
        [...preparing.keys()],
        moves ? [EPOCH] : [],
        "until then its successors must take them",
      );
      await clock.advance(DRAINED_MS);
      if (!isLast) await drained;
      assert.equal(facts.kept !== null, moves);
      assert.equal(preparing.size, 0, "all are on their way");
      stopping.cancel();
    });
  }

  test("lets connections stay when who would get them is to stop", async () => {
    const { clock, stopping, facts, preparing, drained } = generation(true);
    stopping.beginDrain(false, successor(true));
    preparing.get(EPOCH)?.();
    assert.equal(preparing.size, 0);
    await clock.advance(DRAINED_MS);
    await drained;
    assert.equal(facts.kept, null);
  });

  test("moves them only when it is not needed beside its successor any more", async () => {
    const needed = { isNeeded: true };
    const { clock, stopping, facts, preparing, drained } = generation(true, needed);
    stopping.beginDrain(false, successor(true));
    assert.equal(preparing.size, 0, "it serves on, and would read from them too");
    await clock.advance(DRAINED_MS);
    await drained;
    assert.equal(facts.kept, null);
    needed.isNeeded = false;
    stopping.beginDrain(false, successor(true));
    assert.deepEqual([...preparing.keys()], [EPOCH]);
    stopping.cancel();
  });

  test("says so to all others when it is the last", () => {
    const { stopping, abandoned } = generation(true);
    stopping.beginDrain(true, successor(false));
    assert.equal(abandoned(), 1);
    stopping.cancel();
  });

  test("waits, as the last, for requests that are on their way to it", async () => {
    const { clock, stopping, inFlight, drained } = generation(true);
    inFlight.hasUnreadRequest = true;
    let isDrained = false;
    drained.then(() => isDrained = true);
    stopping.beginDrain(true, successor(false));
    await clock.advance(DRAINED_MS);
    assert.equal(isDrained, false);
    inFlight.hasUnreadRequest = false;
    await clock.advance(DRAINED_MS);
    assert.equal(isDrained, true);
    stopping.cancel();
    assert.equal(clock.pending, 0);
  });

  test("is not on the way any more when it is cancelled", () => {
    const { stopping, preparing } = generation(true);
    stopping.beginDrain(false, successor(true));
    stopping.cancel();
    assert.equal(preparing.size, 0);
  });
});

describe("Stopping.stopTimeMs()", () => {
  test("leaves a server that finishes its requests what its drain has not used", async () => {
    const { clock, stopping } = generation(false, undefined, true);
    assert.equal(stopping.stopTimeMs(8_000), 8_000 + STOP_TIME_MS);
    stopping.beginDrain(false, successor(false));
    await clock.advance(3_000);
    assert.equal(stopping.stopTimeMs(8_000), 5_000 + STOP_TIME_MS);
    await clock.advance(60_000);
    assert.equal(stopping.stopTimeMs(8_000), STOP_TIME_MS);
    stopping.cancel();
  });
});

describe("Stopping.signalStop(), kill()", () => {
  const TERM = 15;

  test("an overdue KILL says how long after the signal it comes, and what it hits", async () => {
    const { clock, stopping, facts, log, pids } = generation(false);
    // No process has this number, so no name is known.
    pids.push(2 ** 30);
    stopping.signalStop();
    assert.ok(facts.stopSent);
    await clock.advance(STOP_TIME_MS);
    stopping.kill(true);
    const [signal, report, kill] = log;
    assert.deepEqual([signal, kill], [`signal ${TERM}`, "kill"]);
    assert.match(report ?? "", /^generation 3: killed after 2s: 1 process .* \(pid 1073741824\)$/);
  });

  test("a KILL at once is silent, and ends the drain", async () => {
    const { clock, stopping, log, pids } = generation(false);
    pids.push(2 ** 30);
    stopping.beginDrain(true, successor(false));
    stopping.kill();
    assert.deepEqual(log, ["kill"]);
    assert.equal(clock.pending, 0);
    await clock.advance(DRAINED_MS);
  });

  test("a signal is sent although what it cuts cannot be counted", () => {
    const { stopping, log, listeners } = generation(false);
    stopping.beginDrain(true, successor(false));
    listeners.groupsOf = () => {
      throw new Error("no descriptor left");
    };
    assert.throws(() => stopping.signalStop(), /no descriptor left/);
    assert.deepEqual(log, [`signal ${TERM}`]);
    stopping.cancel();
  });
});
