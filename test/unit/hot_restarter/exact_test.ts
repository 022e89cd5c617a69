/** What the original does, as a table: what is printed, done, and left. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Effect,
  type Ended,
  type Event,
  ExactDecider,
  INITIAL,
  MOST_POLLS,
  POLL_MS,
  type State,
  step,
} from "../../../src/hot_restarter/exact.ts";

const TWO: State = { epoch: 2, children: [100, 101], polls: null };
const STOPPING: State = { ...TWO, polls: 1 };

function exited(pid: number, code = 0): Ended {
  return { pid, status: { kind: "exited", code } };
}

function signalled(pid: number, signal: number): Ended {
  return { pid, status: { kind: "signalled", signal } };
}

function text(effect: Effect): string {
  switch (effect.kind) {
    case "print":
      return `${effect.line.level[0]} ${effect.line.text}`;
    case "fork":
      return `=fork ${effect.epoch}`;
    case "kill":
      return `=${effect.signal} ${effect.pid}`;
    case "poll":
      return `=poll ${effect.afterMs}`;
    case "exit":
      return `=exit ${effect.status}`;
  }
}

const TERM_100 = ["I sending TERM to PID=100", "=SIGTERM 100"];
const TERM_101 = ["I sending TERM to PID=101", "=SIGTERM 101"];
const KILL_100 = ["W force killing PID=100", "=SIGKILL 100"];
const ABNORMAL = "W Due to abnormal exit, force killing all child processes and exiting";
const LACK = "W exiting due to lack of child processes";

const TABLE: readonly (readonly [
  what: string,
  state: State,
  event: Event,
  effects: readonly string[],
  after: Partial<State>,
])[] = [
  ["the start", INITIAL, { kind: "begin", target: "a b" }, [
    "I starting hot-restarter with target: a b",
    "I forking and execing new child process at epoch 0",
    "=fork 0",
  ], { epoch: 1 }],
  ["a child that runs", INITIAL, { kind: "forked", pid: 7 }, [
    "I forked new child process with PID=7",
  ], { children: [7] }],
  ["HUP", TWO, { kind: "signal", signal: "SIGHUP" }, [
    "I got SIGHUP",
    "I forking and execing new child process at epoch 2",
    "=fork 2",
  ], { epoch: 3 }],
  ["HUP during TERM", STOPPING, { kind: "signal", signal: "SIGHUP" }, [
    "I got SIGHUP",
    "I forking and execing new child process at epoch 2",
    "=fork 2",
  ], { epoch: 3, polls: 1 }],
  ["USR1", TWO, { kind: "signal", signal: "SIGUSR1" }, [
    "I sending SIGUSR1 to PID=100",
    "=SIGUSR1 100",
    "I sending SIGUSR1 to PID=101",
    "=SIGUSR1 101",
  ], {}],
  ["TERM", TWO, { kind: "signal", signal: "SIGTERM" }, [
    "W got SIGTERM",
    ...TERM_100,
    ...TERM_101,
    "=poll 0",
  ], { polls: 0 }],
  ["INT", TWO, { kind: "signal", signal: "SIGINT" }, [
    "W got SIGINT",
    ...TERM_100,
    ...TERM_101,
    "=poll 0",
  ], { polls: 0 }],
  ["a second TERM begins again", { ...TWO, polls: 20 }, { kind: "signal", signal: "SIGTERM" }, [
    "W got SIGTERM",
    ...TERM_100,
    ...TERM_101,
    "=poll 0",
  ], { polls: 0 }],
  ["CHLD of nothing", TWO, { kind: "children", ended: [] }, ["I got SIGCHLD"], {}],
  ["one exits with 0", TWO, { kind: "children", ended: [exited(100)] }, [
    "I got SIGCHLD",
    "I PID=100 exited with code=0",
  ], { children: [101] }],
  ["the last exits with 0", TWO, { kind: "children", ended: [exited(100), exited(101)] }, [
    "I got SIGCHLD",
    "I PID=100 exited with code=0",
    "I PID=101 exited with code=0",
    LACK,
    "=exit 0",
  ], { children: [] }],
  ["one exits with 3", TWO, { kind: "children", ended: [exited(101, 3)] }, [
    "I got SIGCHLD",
    "W PID=101 exited with code=3",
    ABNORMAL,
    ...KILL_100,
    LACK,
    "=exit 1",
  ], { children: [] }],
  ["one is killed", TWO, { kind: "children", ended: [signalled(101, 15)] }, [
    "I got SIGCHLD",
    "W PID=101 was killed with signal=15",
    ABNORMAL,
    ...KILL_100,
    LACK,
    "=exit 1",
  ], { children: [] }],
  ["a look while they run", STOPPING, { kind: "polled", ended: [] }, [`=poll ${POLL_MS}`], {
    polls: 2,
  }],
  ["a look when one has ended", STOPPING, { kind: "polled", ended: [exited(100, 9)] }, [
    `=poll ${POLL_MS}`,
  ], { children: [101], polls: 2 }],
  [
    "the look when all have ended",
    STOPPING,
    {
      kind: "polled",
      ended: [signalled(100, 9), exited(101, 5)],
    },
    ["I all children exited cleanly", "=exit 0"],
    { children: [], polls: 2 },
  ],
  ["the end of the time", { ...TWO, polls: MOST_POLLS }, { kind: "polled", ended: [] }, [
    "I child PID=100 did not exit cleanly, killing",
    "I child PID=101 did not exit cleanly, killing",
    ...KILL_100,
    "W force killing PID=101",
    "=SIGKILL 101",
    "=exit 1",
  ], { children: [] }],
  ["a look that is late", TWO, { kind: "polled", ended: [] }, [], {}],
];

describe("step()", () => {
  for (const [what, state, event, effects, after] of TABLE) {
    test(what, () => {
      const found = step(state, event);
      assert.deepEqual(found.effects.map(text), effects);
      assert.deepEqual(found.state, { ...state, ...after });
    });
  }

  test("30 looks, a second apart, then no further one: what ends in the last second is killed", () => {
    const decider = new ExactDecider();
    decider.decide({ kind: "begin", target: "x" });
    decider.decide({ kind: "forked", pid: 100 });
    const waits: number[] = [];
    let effects = decider.decide({ kind: "signal", signal: "SIGTERM" });
    for (let last = effects.at(-1)!; last.kind === "poll"; last = effects.at(-1)!) {
      waits.push(last.afterMs);
      assert.equal(decider.heedsChildren, false);
      assert.equal(decider.looksAgain, waits.length <= MOST_POLLS);
      effects = decider.decide({ kind: "polled", ended: [] });
    }
    assert.deepEqual(waits, [0, ...Array.from({ length: 30 }, () => 1_000)]);
    assert.deepEqual(effects.map(text).at(-1), "=exit 1");
  });

  test("a kill that fails says so and goes on", () => {
    const { effects } = step(TWO, { kind: "signal", signal: "SIGTERM" });
    const failed = effects.flatMap((effect) => effect.kind === "kill" ? effect.failed : []);
    assert.deepEqual(failed.map(({ level, text }) => `${level} ${text}`), [
      "ERROR error sending TERM to PID=100 continuing",
      "ERROR error sending TERM to PID=101 continuing",
    ]);
  });
});
