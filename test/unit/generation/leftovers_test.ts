/** Who gets the stop signal of what a leading process leaves behind, and when KILL. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Leftovers, LeftoverSignals } from "../../../src/generation/leftovers.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const STOP_TIME_MS = 10_000;
const PATIENCE_MS = 5_000;

/** Processes of which some answer requests. */
function signals(pids: number[], busy: number[]) {
  const clock = new FakeClock();
  const log: string[] = [];
  const sent = new LeftoverSignals({
    clock,
    stopTimeMs: STOP_TIME_MS,
    processes: () => pids,
    findBusy: (asked) => new Set(asked.filter((pid) => busy.includes(pid))),
    sendStopSignal: (pid) => log.push(`${clock.now()}: signal ${pid}`),
    onOverdue: () => log.push(`${clock.now()}: overdue`),
    onAllSignaled: () => log.push(`${clock.now()}: all`),
  });
  return { clock, log, sent, pids, busy };
}

describe("LeftoverSignals", () => {
  it("signals all at once where none is waited for", () => {
    const { log, sent } = signals([1, 2], [2]);
    assert.equal(sent.send(false), 0);
    assert.deepEqual(log, ["0: signal 1", "0: signal 2", "0: all"]);
  });

  it("lets a process that still answers finish first", async () => {
    const { log, sent, clock, busy } = signals([1, 2], [2]);
    assert.equal(sent.send(true), 1);
    assert.deepEqual(log.splice(0), ["0: signal 1"]);
    await clock.advance(1_000);
    assert.equal(log.length, 0);
    busy.length = 0;
    await clock.advance(50);
    assert.deepEqual(log, ["1050: signal 2", "1050: all"]);
    assert.equal(clock.pending, 0);
  });

  it("waits for half of the stop time at most", async () => {
    const { log, sent, clock } = signals([1], [1]);
    sent.send(true);
    await clock.advance(PATIENCE_MS - 1);
    assert.equal(log.length, 0);
    await clock.advance(1);
    assert.deepEqual(log.map((line) => line.split(": ")[1]), ["overdue", "signal 1", "all"]);
    await clock.advance(STOP_TIME_MS);
    assert.equal(log.length, 3);
  });

  it("signals no process twice, and those that were started since", async () => {
    const { log, sent, clock, pids, busy } = signals([1, 2], [2]);
    sent.send(true);
    pids.push(3);
    busy.length = 0;
    await clock.advance(50);
    sent.send(false);
    assert.deepEqual(log.filter((line) => line.includes("signal")), [
      "0: signal 1",
      "50: signal 2",
      "50: signal 3",
    ]);
  });

  it("sends nothing after it was canceled", async () => {
    const { log, sent, clock } = signals([1], [1]);
    sent.send(true);
    sent.cancel();
    await clock.advance(STOP_TIME_MS);
    assert.equal(log.length, 0);
  });
});

/** One generation's processes, which exit when the test says so or at KILL. */
function leftover(log: string[], pids: number[]) {
  return {
    epoch: 4,
    processes: () => pids,
    kill: () => {
      log.push("kill");
      return pids.splice(0).map((pid) => ({
        epoch: 4,
        pid,
        name: "helper",
        afterMs: STOP_TIME_MS,
      }));
    },
    onAllExited: () => log.push("all exited"),
  };
}

describe("Leftovers", () => {
  const logTo = (log: string[]) => (text: string) => log.push(text.split(":")[0] ?? "");

  it("kills what is left after the stop time, and reports it", async () => {
    const clock = new FakeClock();
    const leftovers = new Leftovers(clock);
    const log: string[] = [];
    leftovers.add(leftover(log, [7]), STOP_TIME_MS, logTo(log));
    leftovers.whenEmpty(() => log.push("empty"));
    await clock.advance(STOP_TIME_MS - 1);
    assert.equal(log.length, 0);
    await clock.advance(1);
    assert.deepEqual(log, ["kill", "generation 4", "all exited", "empty"]);
    assert.deepEqual(leftovers.killed.map(({ pid }) => pid), [7]);
  });

  it("does not kill what has exited in time", async () => {
    const clock = new FakeClock();
    const leftovers = new Leftovers(clock);
    const log: string[] = [];
    const pids = [7, 8];
    leftovers.add(leftover(log, pids), STOP_TIME_MS, logTo(log));
    pids.pop();
    leftovers.check();
    assert.equal(log.length, 0);
    pids.pop();
    leftovers.check();
    assert.deepEqual(log, ["all exited"]);
    await clock.advance(STOP_TIME_MS);
    assert.deepEqual(log, ["all exited"]);
    assert.equal(clock.pending, 0);
  });

  it("kills all at once when asked to", () => {
    const leftovers = new Leftovers(new FakeClock());
    const log: string[] = [];
    leftovers.add(leftover(log, [7]), STOP_TIME_MS, logTo(log));
    leftovers.killAll();
    assert.deepEqual(log, ["kill", "all exited"]);
  });

  it("is empty at once without any", () => {
    let isEmpty = false;
    new Leftovers(new FakeClock()).whenEmpty(() => isEmpty = true);
    assert.ok(isEmpty);
  });
});
