/** What the exit of a leading process means for the rest of its tree, and what is done about it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decideLeaderExit,
  LeaderExit,
  type LeaderExitCircumstances,
  type LeaderExitDecision,
} from "../../../src/generation/leader_exit.ts";
import { Leftovers } from "../../../src/generation/leftovers.ts";
import type { ExitReport } from "../../../src/lifecycle/vocabulary.ts";
import type { ExitStatus } from "../../../src/platform/process/wait_status.ts";
import { NO_WORKER_FACTS } from "../../../src/succession/state/resume_state.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const TERM = 15;
const STOP_TIME_MS = 10_000;
type LeaderExitOptions = LeaderExit["options"];
const EXITED = { kind: "exited", code: 0 } as const;
const base: LeaderExitCircumstances = {
  status: EXITED,
  remaining: 1,
  facts: NO_WORKER_FACTS,
  stopSignal: TERM,
  serves: true,
  wasKilled: false,
  isCandidate: false,
};
const stopped = { ...NO_WORKER_FACTS, stopSent: true };

describe("decideLeaderExit()", () => {
  const table: [
    what: string,
    change: Partial<LeaderExitCircumstances>,
    decision: LeaderExitDecision,
  ][] = [
    ["no process is left", { remaining: 0 }, "exited"],
    ["it exits with 0 and serves on", {}, "to_background"],
    ["it exits with 0 and never served", { serves: false }, "exited"],
    [
      "a candidate exits with 0, and leaves others",
      { serves: false, isCandidate: true },
      "left_behind",
    ],
    ["a candidate that listens goes to the background", { isCandidate: true }, "to_background"],
    ["a candidate exits with 0, and leaves none", { remaining: 0, isCandidate: true }, "exited"],
    [
      "a candidate fails, and leaves others",
      { status: { kind: "exited", code: 1 }, serves: false, isCandidate: true },
      "exited",
    ],
    ["it crashes", { status: { kind: "exited", code: 1 } }, "exited"],
    ["its exit status is unknown", { status: { kind: "unknown" } }, "exited"],
    ["it exits with 0 after its signal", { facts: stopped }, "signal_rest_gently"],
    [
      "it exits with another status after its signal",
      { facts: stopped, status: { kind: "exited", code: 7 } },
      "signal_rest_gently",
    ],
    [
      "it dies of another signal after its own",
      { facts: stopped, status: { kind: "signalled", signal: 9 } },
      "signal_rest_gently",
    ],
    ["its exit status is unknown after its signal", {
      facts: stopped,
      status: { kind: "unknown" },
    }, "signal_rest_gently"],
    ["all were killed", { wasKilled: true, status: { kind: "signalled", signal: 9 } }, "wait"],
    ["all were killed after their signal", { facts: stopped, wasKilled: true }, "wait"],
    ["all were killed, and none is left", { wasKilled: true, remaining: 0 }, "exited"],
    [
      "it dies of its signal",
      { facts: stopped, status: { kind: "signalled", signal: TERM } },
      "signal_rest",
    ],
    [
      "it dies of its signal, and the others have theirs",
      { facts: { ...stopped, stopTold: true }, status: { kind: "signalled", signal: TERM } },
      "wait",
    ],
  ];
  for (const [what, change, decision] of table) {
    test(`${what}: ${decision}`, () =>
      assert.equal(decideLeaderExit({ ...base, ...change }), decision));
  }
});

/** A generation whose leading process exits, with others in its tree. */
function scene(facts: Partial<typeof NO_WORKER_FACTS> = {}) {
  const clock = new FakeClock();
  const log: string[] = [];
  const pids = [7];
  const state = { hadTerminal: false, serves: false, terminalIsGone: false };
  const server = {
    pid: 6,
    exitStatus: null as ExitStatus | null,
    wasKilled: false,
    holdsMembers: () => state.serves,
    processes: () => pids,
    kill: () => {
      log.push("kill");
      pids.length = 0;
    },
  };
  const leftovers = new Leftovers(clock);
  const options = {
    context: {
      platform: { clock, processes: { signal: (pid: number) => log.push(`signal ${pid}`) } },
      config: { stopTimeMs: STOP_TIME_MS, quietMs: 0 },
      listeners: { groups: [] },
      foreground: {
        onLeaderExit: () => state.hadTerminal,
        get isClosed() {
          return state.terminalIsGone;
        },
      },
      leftovers,
      log: (text: string) => log.push(text.split(":")[0] ?? ""),
      logError: (text: string) => log.push(text.split(":")[0] ?? ""),
    },
    epoch: 4,
    number: 0,
    name: () => "generation 4",
    facts: { ...NO_WORKER_FACTS, ...facts },
    hints: [],
    gate: { listening: [{}] },
    server,
    limitStop: (delayMs: number) => log.push(`stop in ${delayMs}`),
    admission: { isPending: false, explainExit: () => [] },
    stopping: {
      policy: { stopSignal: TERM, leaderSignal: TERM, cleanExit: [] },
      spareRest: () => log.push("spare rest"),
      cutRest: () => log.push("cut rest"),
    },
    onExited: (exit: ExitReport) => log.push(`exited ${exit.status} ${exit.isFinal}`),
  };
  const leaderExit = new LeaderExit(options as unknown as LeaderExitOptions);
  const exit = (status: ExitStatus) => {
    server.exitStatus = status;
    leaderExit.onLeaderExit(status, pids.length);
  };
  const exitLast = () => {
    pids.length = 0;
    leaderExit.onAllExited();
  };
  return { clock, log, state, server, leaderExit, facts: options.facts, leftovers, exit, exitLast };
}

describe("LeaderExit", () => {
  test("exits with the rest after a stop signal that the leader died of", () => {
    const { log, exit, exitLast, facts } = scene(stopped);
    exit({ kind: "signalled", signal: TERM });
    assert.deepEqual(log.splice(0), ["signal 7", `stop in ${STOP_TIME_MS}`]);
    assert.ok(facts.stopTold);
    exitLast();
    assert.deepEqual(log, [`exited ${128 + TERM} false`]);
  });

  test("spares what the rest still answers when the leader ended by itself", () => {
    const { log, exit } = scene(stopped);
    exit(EXITED);
    assert.deepEqual(log, ["spare rest", "signal 7", `stop in ${STOP_TIME_MS}`]);
  });

  test("goes to the background with what serves on, and exits with the last of it", () => {
    const { log, state, exit, exitLast, facts } = scene();
    state.serves = true;
    exit(EXITED);
    assert.deepEqual(log.splice(0), ["generation 4 went to the background"]);
    assert.ok(facts.daemonized);
    exitLast();
    assert.match(log[0] ?? "", /^exited/);
  });

  test("is final when a person at its terminal has ended it", () => {
    const { log, state, exit } = scene();
    Object.assign(state, { serves: true, hadTerminal: true });
    exit(EXITED);
    assert.deepEqual(log, ["signal 7", "exited 0 true"]);
  });

  test("does not wait for the rest after a crash: it has the stop time", async () => {
    const { clock, log, exit, leaderExit, leftovers } = scene();
    exit({ kind: "exited", code: 1 });
    assert.deepEqual(log.splice(0), ["signal 7", "exited 1 false"]);
    assert.ok(leaderExit.hasLeftovers);
    assert.ok(leaderExit.afterLeftovers(() => log.push("released")));
    await clock.advance(STOP_TIME_MS - 1);
    assert.deepEqual(log, []);
    await clock.advance(1);
    assert.deepEqual(log, ["kill", "generation 4", "released"]);
    assert.equal(leftovers.killed[0]?.afterMs, STOP_TIME_MS);
    assert.equal(leaderExit.hasLeftovers, false);
    assert.equal(leaderExit.afterLeftovers(() => {}), false);
  });

  for (const isSignaled of [false, true]) {
    test(
      `in a new baton, ${isSignaled ? "leaves alone" : "signals"} the rest that ${
        isSignaled ? "was" : "was not"
      } signaled before`,
      () => {
        const { log, leaderExit, server } = scene({ ...stopped, stopTold: isSignaled });
        server.exitStatus = EXITED;
        leaderExit.resume();
        assert.deepEqual(
          log.filter((line) => line.startsWith("signal")),
          isSignaled ? [] : ["signal 7"],
        );
      },
    );
  }
});
