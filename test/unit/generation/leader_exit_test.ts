import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type LeaderExit,
  leaderExit,
  type LeaderExitCircumstances,
} from "../../../src/generation/leader_exit.ts";
import { NO_FACTS } from "../../../src/succession/state/resume_state.ts";

const TERM = 15;
const ENDED = { kind: "exited", code: 0 } as const;
const base: LeaderExitCircumstances = {
  status: ENDED,
  lingering: 1,
  facts: NO_FACTS,
  stopSignal: TERM,
  serves: true,
  killed: false,
};
const told = { ...NO_FACTS, stopSent: true };

describe("departure()", () => {
  const table: [what: string, change: Partial<LeaderExitCircumstances>, verdict: LeaderExit][] = [
    ["nobody is left", { lingering: 0 }, "ended"],
    ["it ends with 0 and serves on", {}, "to_background"],
    ["it ends with 0 and never served", { serves: false }, "ended"],
    ["it crashes", { status: { kind: "exited", code: 1 } }, "ended"],
    ["nobody knows how it ended", { status: { kind: "unknown" } }, "ended"],
    ["it ends with 0 after its signal", { facts: told }, "tell_rest_gently"],
    [
      "it ends with another status after its signal",
      { facts: told, status: { kind: "exited", code: 7 } },
      "tell_rest_gently",
    ],
    [
      "it dies of another signal after its own",
      { facts: told, status: { kind: "signalled", signal: 9 } },
      "tell_rest_gently",
    ],
    ["nobody knows how it ended after its signal", {
      facts: told,
      status: { kind: "unknown" },
    }, "tell_rest_gently"],
    ["all were killed", { killed: true, status: { kind: "signalled", signal: 9 } }, "wait"],
    ["all were killed after their signal", { facts: told, killed: true }, "wait"],
    ["all were killed, and none is left", { killed: true, lingering: 0 }, "ended"],
    [
      "it dies of its signal",
      { facts: told, status: { kind: "signalled", signal: TERM } },
      "tell_rest",
    ],
    [
      "it dies of its signal, and the others were told",
      { facts: { ...told, stopTold: true }, status: { kind: "signalled", signal: TERM } },
      "wait",
    ],
  ];
  for (const [what, change, verdict] of table) {
    test(`${what}: ${verdict}`, () => assert.equal(leaderExit({ ...base, ...change }), verdict));
  }
});
