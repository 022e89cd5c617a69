/** The old baton's side of a takeover: every state and event, and what follows. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Request } from "../../../../src/succession/takeover/messages.ts";
import {
  type OldEffect,
  type OldEvent,
  type OldState,
  oldStep,
} from "../../../../src/succession/takeover/old_side.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

const VERSIONS = { min: 2, max: 3 };
const STATES: readonly OldState[] = [
  ...["greeting", "asked", "lending", "steering", "switched", "closed"] as const,
];

const hello = (min: number, max: number): Request => ({
  ...{ kind: "hello", versions: { min, max }, baton: "9", name: "web", network: "net:[1]" },
  readyTimeoutMs: 1_000,
  survives: false,
});
const asks = (request: Request): OldEvent => ({ kind: "request", request });

const EVENTS: Readonly<Record<string, OldEvent>> = {
  hello: asks(hello(1, 2)),
  "hello too old": asks(hello(1, 1)),
  "hello too new": asks(hello(4, 9)),
  group: asks({ kind: "group", index: 3, from: 60 }),
  member: asks({ kind: "member", index: 3 }),
  switch: asks({ kind: "switch", members: [7, 8] }),
  terminate: asks({ kind: "terminate" }),
  failed: asks({ kind: "failed", reason: "its reason" }),
  unknown: asks({ kind: "unknown", name: "sing" }),
  malformed: { kind: "malformed", reason: "no JSON" },
  accepted: { kind: "accepted" },
  refused: { kind: "refused", reason: "our reason" },
  steered: { kind: "steered" },
  timed_out: { kind: "timed_out" },
  gone: { kind: "gone" },
};

function formatEffect(effect: OldEffect): string {
  const { kind, ...rest } = effect;
  const values = Object.values(rest).map((value) => value === null ? "off" : String(value));
  return [kind, ...values].join(" ");
}

/** What follows, as one line: "lending: send_accepted, arm gate". */
function follows(state: OldState, event: OldEvent): string {
  const { state: next, effects } = oldStep(state, event, VERSIONS);
  return `${next}: ${effects.map(formatEffect).join(", ")}`.trim();
}

const ENDED = "the new baton ended before it served";
const refuse = (reason: string) => `closed: arm off, send_refused ${reason}, close`;
const withdraw = (reason: string) =>
  `closed: arm off, send_refused ${reason}, withdraw ${reason}, close`;
const sent = (kind: string, doing: string) => `the new baton sent "${kind}" while ${doing}`;
const silent = (doing: string) => `the new baton was silent for too long while ${doing}`;
const UNKNOWN = "Cannot understand the new baton: no JSON";
const old = (theirs: string) =>
  `the new baton speaks ${theirs} of the takeover protocol, this one versions 2 to 3`;

/** What is not here changes nothing: `state:`. */
const TABLE: Readonly<Record<OldState, Readonly<Record<string, string>>>> = {
  greeting: {
    hello: "asked: arm off, ask",
    "hello too old": refuse(old("version 1")),
    "hello too new": refuse(old("versions 4 to 9")),
    group: refuse(sent("group", "saying hello")),
    member: refuse(sent("member", "saying hello")),
    switch: refuse(sent("switch", "saying hello")),
    terminate: refuse(sent("terminate", "saying hello")),
    failed: refuse(sent("failed", "saying hello")),
    unknown: "greeting: send_not_understood sing",
    malformed: refuse(UNKNOWN),
    refused: refuse("our reason"),
    timed_out: refuse(silent("saying hello")),
    gone: "closed: arm off, close",
  },
  asked: {
    hello: withdraw(sent("hello", "waiting for our answer")),
    "hello too old": withdraw(sent("hello", "waiting for our answer")),
    "hello too new": withdraw(sent("hello", "waiting for our answer")),
    group: withdraw(sent("group", "waiting for our answer")),
    member: withdraw(sent("member", "waiting for our answer")),
    switch: withdraw(sent("switch", "waiting for our answer")),
    terminate: withdraw(sent("terminate", "waiting for our answer")),
    failed: "closed: arm off, withdraw its reason, close",
    unknown: "asked: send_not_understood sing",
    malformed: withdraw(UNKNOWN),
    accepted: "lending: send_accepted, arm gate",
    refused: withdraw("our reason"),
    timed_out: withdraw(silent("waiting for our answer")),
    gone: `closed: arm off, withdraw ${ENDED}, close`,
  },
  lending: {
    hello: withdraw(sent("hello", "starting its generation")),
    "hello too old": withdraw(sent("hello", "starting its generation")),
    "hello too new": withdraw(sent("hello", "starting its generation")),
    group: "lending: send_group 3 60",
    member: "lending: send_member 3",
    switch: "steering: steer 7,8",
    terminate: withdraw(sent("terminate", "starting its generation")),
    failed: "closed: arm off, withdraw its reason, close",
    unknown: "lending: send_not_understood sing",
    malformed: withdraw(UNKNOWN),
    refused: withdraw("our reason"),
    timed_out: withdraw(silent("starting its generation")),
    gone: `closed: arm off, withdraw ${ENDED}, close`,
  },
  steering: {
    hello: withdraw(sent("hello", "waiting for the switch")),
    "hello too old": withdraw(sent("hello", "waiting for the switch")),
    "hello too new": withdraw(sent("hello", "waiting for the switch")),
    group: withdraw(sent("group", "waiting for the switch")),
    member: withdraw(sent("member", "waiting for the switch")),
    switch: withdraw(sent("switch", "waiting for the switch")),
    terminate: withdraw(sent("terminate", "waiting for the switch")),
    failed: withdraw(sent("failed", "waiting for the switch")),
    unknown: "steering: send_not_understood sing",
    malformed: withdraw(UNKNOWN),
    refused: withdraw("our reason"),
    steered: "switched: arm off, hand_over, send_switched",
    timed_out: withdraw(silent("waiting for the switch")),
    gone: `closed: arm off, withdraw ${ENDED}, close`,
  },
  switched: {
    terminate: "switched: stop",
    unknown: "switched: send_not_understood sing",
    gone: "closed: arm off, take_back, close",
  },
  closed: {},
};

describe("oldStep()", () => {
  for (const state of STATES) {
    for (const [name, event] of Object.entries(EVENTS)) {
      const expected = TABLE[state][name] ?? `${state}:`;
      test(`${state} + ${name} -> ${expected}`, { timeout: TEST_TIMEOUT_MS }, () => {
        assert.equal(follows(state, event), expected);
      });
    }
  }

  test("asks the lifecycle before it gives anything away", { timeout: TEST_TIMEOUT_MS }, () => {
    const giving = /send_(accepted|group|member|switched)|steer|hand_over/;
    for (const name of Object.keys(EVENTS)) {
      for (const state of ["greeting", "closed"] as const) {
        assert.doesNotMatch(follows(state, EVENTS[name]!), giving);
      }
    }
  });
});
