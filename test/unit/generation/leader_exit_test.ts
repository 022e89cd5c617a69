import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decideLeaderExit,
  type LeaderExitCircumstances,
  type LeaderExitDecision,
} from "../../../src/generation/leader_exit.ts";
import { NO_FACTS } from "../../../src/succession/state/resume_state.ts";

const TERM = 15;
const ENDED = { kind: "exited", code: 0 } as const;
const base: LeaderExitCircumstances = {
  status: ENDED,
  remaining: 1,
  facts: NO_FACTS,
  stopSignal: TERM,
  serves: true,
  wasKilled: false,
};
const told = { ...NO_FACTS, stopSent: true };

describe("decideLeaderExit()", () => {
  const table: [
    what: string,
    change: Partial<LeaderExitCircumstances>,
    decision: LeaderExitDecision,
  ][] = [
    ["no process is left", { remaining: 0 }, "exited"],
    ["it exits with 0 and serves on", {}, "to_background"],
    ["it exits with 0 and never served", { serves: false }, "exited"],
    ["it crashes", { status: { kind: "exited", code: 1 } }, "exited"],
    ["its exit status is unknown", { status: { kind: "unknown" } }, "exited"],
    ["it exits with 0 after its signal", { facts: told }, "signal_rest_gently"],
    [
      "it exits with another status after its signal",
      { facts: told, status: { kind: "exited", code: 7 } },
      "signal_rest_gently",
    ],
    [
      "it dies of another signal after its own",
      { facts: told, status: { kind: "signalled", signal: 9 } },
      "signal_rest_gently",
    ],
    ["its exit status is unknown after its signal", {
      facts: told,
      status: { kind: "unknown" },
    }, "signal_rest_gently"],
    ["all were killed", { wasKilled: true, status: { kind: "signalled", signal: 9 } }, "wait"],
    ["all were killed after their signal", { facts: told, wasKilled: true }, "wait"],
    ["all were killed, and none is left", { wasKilled: true, remaining: 0 }, "exited"],
    [
      "it dies of its signal",
      { facts: told, status: { kind: "signalled", signal: TERM } },
      "signal_rest",
    ],
    [
      "it dies of its signal, and the others have theirs",
      { facts: { ...told, stopTold: true }, status: { kind: "signalled", signal: TERM } },
      "wait",
    ],
  ];
  for (const [what, change, decision] of table) {
    test(`${what}: ${decision}`, () =>
      assert.equal(decideLeaderExit({ ...base, ...change }), decision));
  }
});
