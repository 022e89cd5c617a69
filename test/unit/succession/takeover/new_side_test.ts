/** The new baton's side of a takeover: the way through, and every phase with every event. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Reply } from "../../../../src/succession/takeover/messages.ts";
import {
  NEW_SIDE,
  type NewEffect,
  type NewEvent,
  type NewPhase,
  type NewState,
  newStep,
} from "../../../../src/succession/takeover/new_side.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

const COUNTERS = { ok: 1, failed: 2, crashes: 3 };

const accepted = (groups: number, survives = false): Reply => ({
  ...{ kind: "accepted", version: 1, baton: "9", name: "web", network: "net:[1]" },
  ...{ epoch: 3, nextEpoch: 5, startedAt: "2026-01-01T00:00:00.000Z", notified: false },
  ...{ counters: COUNTERS, groups, survives },
});
const record = (change = {}) => ({
  ...{ epoch: 3, inode: 11, late: false, owner: 1, unheld: false, dead: false, receiving: true },
  origin: null,
  ...change,
});
const group = (index: number, next: number | null, change = {}): Reply => ({
  ...{ kind: "group", index, members: [record(change)], next },
  address: {
    ...{ family: "inet", host: "127.0.0.1", port: 80, scope: 0, v6only: false },
    boundInterface: 0,
  },
});
const member = (index: number): Reply => ({ kind: "member", index, member: record() });
const says = (reply: Reply): NewEvent => ({ kind: "reply", reply });

function formatEffect(effect: NewEffect): string {
  switch (effect.kind) {
    case "ask": {
      const { kind, ...rest } = effect.request;
      return [`ask ${kind}`, ...Object.values(rest)].join(" ");
    }
    case "arm":
      return effect.timed ? "arm" : "disarm";
    case "give_up":
      return `give_up ${effect.reason}`;
    case "promote":
      return effect.reply === null ? "promote alone" : "promote";
    default:
      return effect.kind;
  }
}

/** Feeds each event; the effects of the last one as one line. */
function tell(state: NewState, ...events: readonly NewEvent[]): { state: NewState; line: string } {
  let line = "";
  for (const event of events) {
    const step = newStep(state, event);
    state = step.state;
    line = `${state.phase}: ${step.effects.map(formatEffect).join(", ")}`.trim();
  }
  return { state, line };
}

const at: Readonly<Record<NewPhase, NewState>> = (() => {
  const greeting = NEW_SIDE;
  const collecting = tell(greeting, says(accepted(1))).state;
  const prepared = tell(collecting, says(group(0, null)), says(member(0))).state;
  const switching = tell(prepared, { kind: "gate_passed", members: [7] }).state;
  const serving = tell(switching, says({ kind: "switched", counters: COUNTERS })).state;
  const alone = tell(serving, { kind: "gone" }).state;
  const failed = tell(greeting, { kind: "gone" }).state;
  return { greeting, collecting, prepared, switching, serving, alone, failed };
})();

const EVENTS: Readonly<Record<string, NewEvent>> = {
  accepted: says(accepted(1)),
  group: says(group(0, null)),
  member: says(member(0)),
  switched: says({ kind: "switched", counters: COUNTERS }),
  refused: says({ kind: "refused", reason: "its reason" }),
  not_understood: says({ kind: "not_understood", name: "sing" }),
  malformed: { kind: "malformed", reason: "no JSON" },
  member_needed: { kind: "member_needed", index: 2 },
  gate_passed: { kind: "gate_passed", members: [7, 8] },
  stop_old: { kind: "stop_old" },
  own_failed: { kind: "own_failed", reason: "ours" },
  timed_out: { kind: "timed_out" },
  gone: { kind: "gone" },
};

const giveUp = (reason: string) => `failed: disarm, give_up ${reason}`;
const unasked = (kind: string) => giveUp(`the old baton said "${kind}", which was not asked for`);
const late = (what: string) => giveUp(`the old baton did not answer in time: ${what}`);
/** Whatever phase before the switch. */
const BEFORE = {
  refused: giveUp("its reason"),
  not_understood: giveUp('the old baton does not understand "sing"'),
  malformed: giveUp("Cannot understand the old baton: no JSON"),
  own_failed: "failed: disarm, ask failed ours",
};

/** What is not here changes nothing: `phase:`. */
const TABLE: Readonly<Record<NewPhase, Readonly<Record<string, string>>>> = {
  greeting: {
    ...BEFORE,
    accepted: "collecting: keep_offer, ask group 0 0, arm",
    group: unasked("group"),
    member: unasked("member"),
    switched: unasked("switched"),
    timed_out: late("hello"),
    gone: giveUp("the old baton ended during the takeover"),
  },
  collecting: {
    ...BEFORE,
    accepted: unasked("accepted"),
    group: "collecting: keep_group, ask member 0, arm",
    member: unasked("member"),
    switched: unasked("switched"),
    timed_out: late("asked for its listeners"),
    gone: giveUp("the old baton ended during the takeover"),
  },
  prepared: {
    ...BEFORE,
    accepted: unasked("accepted"),
    group: unasked("group"),
    member: "prepared: disarm, keep_member, resume",
    switched: unasked("switched"),
    member_needed: "prepared: ask member 2, arm",
    gate_passed: "switching: ask switch 7,8, arm",
    timed_out: late("asked for one more socket"),
    gone: "alone: disarm, inherit",
  },
  switching: {
    ...BEFORE,
    accepted: unasked("accepted"),
    group: unasked("group"),
    member: "switching: keep_member, resume",
    switched: "serving: disarm, promote",
    timed_out: late("asked to switch"),
    gone: "alone: disarm, promote alone, inherit",
  },
  serving: {
    stop_old: "serving: ask terminate",
    timed_out: late("draining"),
    gone: "alone: disarm, inherit",
  },
  alone: {},
  failed: {},
};

describe("newStep()", () => {
  for (const [phase, state] of Object.entries(at)) {
    for (const [name, event] of Object.entries(EVENTS)) {
      const expected = TABLE[phase as NewPhase][name] ?? `${phase}:`;
      test(`${phase} + ${name} -> ${expected}`, { timeout: TEST_TIMEOUT_MS }, () => {
        assert.equal(tell(state, event).line, expected);
      });
    }
  }

  test("collects groups page by page, and then a member where it needs one", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    let { state, line } = tell(NEW_SIDE, says(accepted(3)));
    const next = (reply: Reply) => {
      ({ state, line } = tell(state, says(reply)));
      return line;
    };
    assert.equal(line, "collecting: keep_offer, ask group 0 0, arm");
    assert.equal(next(group(0, 60)), "collecting: keep_group, ask group 0 60, arm");
    assert.equal(next(group(0, null)), "collecting: keep_group, ask group 1 0, arm");
    // A debugger port of the old server: our server need not open one.
    assert.equal(
      next(group(1, null, { late: true })),
      "collecting: keep_group, ask group 2 0, arm",
    );
    assert.equal(next(group(2, null)), "collecting: keep_group, ask member 0, arm");
    assert.equal(next(member(0)), "collecting: keep_member, ask member 2, arm");
    assert.equal(next(member(2)), "prepared: keep_member, disarm, start");
  });

  test(
    "gives up an old baton that repeats itself",
    { timeout: TEST_TIMEOUT_MS },
    () => {
      const { state } = tell(NEW_SIDE, says(accepted(1)), says(group(0, 60)));
      assert.equal(
        tell(state, says(group(0, 60))).line,
        giveUp("the old baton repeats itself at group 0"),
      );
    },
  );

  test("leaves the service to the server of an old baton with --survive", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const { state } = tell(
      NEW_SIDE,
      says(accepted(1, true)),
      says(group(0, null)),
      says(member(0)),
    );
    assert.equal(
      tell(state, { kind: "gone" }).line,
      giveUp("the old baton was killed, and its server serves on"),
    );
  });

  test("refuses the answer to another question", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(tell(at.collecting, says(group(1, null))).line, unasked("group"));
    const asked = tell(at.collecting, says(group(0, null))).state;
    assert.equal(tell(asked, says(member(1))).line, unasked("member"));
  });
});
