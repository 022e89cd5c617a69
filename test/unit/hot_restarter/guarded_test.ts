/** `--guard`, as a table of stories: what happens, and what is done. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stepGuarded } from "../../../src/hot_restarter/guarded.ts";
import {
  type GuardedEffect,
  type GuardedEvent,
  INITIAL_GUARDED,
} from "../../../src/hot_restarter/guarded_state.ts";

const HUP: GuardedEvent = { kind: "signal", signal: "SIGHUP" };
const USR1: GuardedEvent = { kind: "signal", signal: "SIGUSR1" };
const TERM: GuardedEvent = { kind: "signal", signal: "SIGTERM" };
const BEGIN: GuardedEvent = { kind: "begin", target: "x" };
const POLLED: GuardedEvent = { kind: "polled", ended: [] };

function forked(pid: number): GuardedEvent {
  return { kind: "forked", pid };
}

function live(pid: number): GuardedEvent {
  return { kind: "live", pid };
}

function overdue(pid: number, isEnvoy = true): GuardedEvent {
  return { kind: "overdue", pid, text: "after 1m", isEnvoy };
}

function apart(pid: number): GuardedEvent {
  return { kind: "apart", pid, text: "it has another --base-id" };
}

function left(text: string, afterMs = 0): GuardedEvent {
  return { kind: "left", text, afterMs };
}

function exits(pid: number, code: number): GuardedEvent {
  return { kind: "children", ended: [{ pid, status: { kind: "exited", code } }] };
}

function dies(pid: number, signal: number): GuardedEvent {
  return { kind: "children", ended: [{ pid, status: { kind: "signalled", signal } }] };
}

/** What is done, without what is only said. */
function text(effect: GuardedEffect): string[] {
  switch (effect.kind) {
    case "print":
    case "poll":
    case "unwatch":
      return [];
    case "fork":
      return [`fork ${effect.epoch}`];
    case "kill":
      return [`${effect.signal} ${effect.pid}`];
    case "leave":
      return ["leave"];
    case "watch":
      return [`watch ${effect.pid}`];
    case "clear":
      return [`clear by ${effect.pid}`];
    case "verdict":
      return [`epoch ${effect.epoch}: ${effect.failure ?? "LIVE"}`];
    case "exit":
      return [`exit ${effect.status}`];
  }
}

function said(effects: readonly GuardedEffect[]): string {
  return effects.flatMap((effect) =>
    effect.kind === "print" && effect.line.source === "baton" ? effect.line.text : []
  ).join("\n");
}

/** Epoch 0 serves. */
const SERVING = [BEGIN, forked(10), live(10)];
/** Epoch 1 serves, and 0 drains. */
const DRAINING = [...SERVING, HUP, forked(11), live(11)];

type Story = readonly (readonly [event: GuardedEvent, done: readonly string[], says?: RegExp])[];

const STORIES: Readonly<
  Record<string, { after: readonly GuardedEvent[]; story: Story; waitsForDrain?: true }>
> = {
  "a start": {
    after: [],
    story: [
      [BEGIN, ["fork 0"]],
      [forked(10), ["watch 10"]],
      [live(10), ["epoch 0: LIVE"], /^epoch 0 is LIVE$/],
    ],
  },
  "a good reload": {
    after: SERVING,
    story: [
      [HUP, ["fork 1"]],
      [forked(11), ["watch 11"]],
      [live(11), ["epoch 1: LIVE"]],
      [exits(10, 0), []],
      [HUP, ["fork 2"], /^$/],
    ],
  },
  "a bad configuration: the one before is left alone, and the number is used again": {
    after: SERVING,
    story: [
      [HUP, ["fork 1"]],
      [forked(11), ["watch 11"]],
      [exits(11, 1), ["epoch 1: exit status 1", "clear by 10"], /epoch 0 serves on/],
      [HUP, ["fork 1"]],
    ],
  },
  "a failed start with status 0 has failed, too": {
    after: [...SERVING, HUP, forked(11)],
    story: [[exits(11, 0), ["epoch 1: exit status 0", "clear by 10"]]],
  },
  "one that is never LIVE is killed, never terminated": {
    after: [...SERVING, HUP, forked(11)],
    story: [
      [overdue(11), ["SIGKILL 11"], /epoch 1 is not LIVE after 1m: killing it/],
      [dies(11, 9), ["epoch 1: it was not LIVE after 1m", "clear by 10"]],
    ],
  },
  "one that does not know the one before is killed at once: it has left no mark": {
    after: [...SERVING, HUP, forked(11)],
    story: [
      [apart(11), ["SIGKILL 11"], /epoch 1 cannot take over: it has another --base-id: killing it/],
      [dies(11, 9), ["epoch 1: it has another --base-id (that needs --safe)"], /epoch 0 serves on/],
      [HUP, ["fork 1"]],
    ],
  },
  "the first one has none to take over from": {
    after: [BEGIN, forked(10)],
    story: [[apart(10), ["epoch 0: LIVE"], /cannot see .*: it has another --base-id/]],
  },
  "the first one is none of Envoy's: a HUP does not end it": {
    after: [BEGIN, forked(10)],
    story: [
      [HUP, [], /SIGHUP waits/],
      [overdue(10, false), ["epoch 0: LIVE", "fork 1"], /cannot see .*: not LIVE after 1m/],
    ],
  },
  "HUPs wait for LIVE, and count as one": {
    after: SERVING,
    story: [
      [HUP, ["fork 1"]],
      [forked(11), ["watch 11"]],
      [HUP, [], /epoch 1 is not LIVE yet: SIGHUP waits/],
      [HUP, []],
      [{ kind: "children", ended: [] }, [], /^$/],
      [live(11), ["epoch 1: LIVE", "fork 2"], /epoch 0 still drains: Envoy ends it now/],
      [forked(12), ["watch 12"]],
      [live(12), ["epoch 2: LIVE"]],
    ],
  },
  "a HUP that waits for one that fails starts the same number, perhaps mended": {
    after: [...SERVING, HUP, forked(11), HUP],
    story: [[exits(11, 1), ["epoch 1: exit status 1", "clear by 10", "fork 1"]]],
  },
  "--wait-drain waits for the end of the one before": {
    after: DRAINING,
    waitsForDrain: true,
    story: [
      [HUP, [], /epoch 0 still drains: SIGHUP waits for its end/],
      [exits(10, 0), ["fork 2"]],
    ],
  },
  "one that drains may end badly": {
    after: DRAINING,
    story: [[dies(10, 15), [], /the others stay: epoch 1 is the newest/]],
  },
  "the serving one ends badly: nothing serves any more, as in the original": {
    after: DRAINING,
    story: [[exits(11, 3), ["SIGKILL 10", "exit 1"]]],
  },
  "the serving one ends badly while another starts: that one is all there is": {
    after: [...SERVING, HUP, forked(11)],
    story: [
      [dies(10, 11), [], /epoch 1 is the newest/],
      [live(11), ["epoch 1: LIVE"]],
    ],
  },
  "the last one ends by itself": { after: SERVING, story: [[exits(10, 0), ["exit 0"]]] },
  "the first one fails": {
    after: [BEGIN, forked(10)],
    story: [[exits(10, 1), ["epoch 0: exit status 1", "exit 1"]]],
  },
  "the first one is not LIVE in time: it is left alone until HUP": {
    after: [BEGIN, forked(10)],
    story: [
      [overdue(10), [], /SIGHUP replaces it/],
      [HUP, ["SIGKILL 10"], /epoch 0 is not LIVE: it is replaced/],
      [dies(10, 9), ["epoch 0: killed with signal 9", "fork 0"]],
    ],
  },
  "the first one becomes LIVE late": {
    after: [BEGIN, forked(10), overdue(10)],
    story: [[live(10), ["epoch 0: LIVE"]], [HUP, ["fork 1"]]],
  },
  "USR1 goes to those that are LIVE": {
    after: [...SERVING, HUP, forked(11)],
    story: [[USR1, ["SIGUSR1 10"]]],
  },
  "TERM: the newest one finishes its requests, then all end, and baton at once with the last": {
    after: DRAINING,
    story: [
      [TERM, ["leave"]],
      [HUP, [], /no new child/],
      [left("all finished"), ["SIGTERM 10", "SIGTERM 11"], /all finished/],
      [left(""), []],
      [HUP, [], /no new child/],
      [exits(11, 0), []],
      [POLLED, []],
      [exits(10, 1), ["exit 0"]],
    ],
  },
  "a second TERM waits for no request": {
    after: DRAINING,
    story: [
      [TERM, ["leave"]],
      [TERM, ["SIGTERM 10", "SIGTERM 11"]],
      [TERM, ["SIGTERM 10", "SIGTERM 11"]],
    ],
  },
  "all end by themselves while requests are finished": {
    after: [...DRAINING, TERM],
    story: [[exits(10, 0), []], [exits(11, 0), ["exit 0"]]],
  },
  "TERM during a start answers those who wait": {
    after: [...SERVING, HUP, forked(11)],
    story: [[TERM, ["epoch null: hot-restarter is stopping", "SIGTERM 10", "SIGTERM 11"]]],
  },
  "no memory for a process": {
    after: [...SERVING, HUP],
    story: [
      [{ kind: "not_forked", text: "EAGAIN" }, ["epoch 1: EAGAIN"], /EAGAIN/],
      [HUP, ["fork 1"]],
    ],
  },
  "no memory for the first process: nothing is left to wait for": {
    after: [BEGIN],
    story: [[{ kind: "not_forked", text: "EAGAIN" }, ["epoch 0: EAGAIN", "exit 1"], /EAGAIN/]],
  },
  "a look that nothing has asked for": { after: SERVING, story: [[POLLED, []]] },
  "whether it is LIVE cannot be seen": {
    after: [...SERVING, HUP, forked(11)],
    story: [
      [{ kind: "unseen", pid: 11, text: "EACCES" }, ["epoch 1: LIVE"], /cannot see .*: EACCES$/],
    ],
  },
  "events of children that are not meant any more": {
    after: DRAINING,
    story: [[live(10), []], [overdue(11), []], [live(99), []]],
  },
};

describe("stepGuarded()", () => {
  for (const [name, { after, story, waitsForDrain = false }] of Object.entries(STORIES)) {
    test(name, () => {
      let state = INITIAL_GUARDED;
      const next = (event: GuardedEvent) => {
        const result = stepGuarded(state, event, { waitsForDrain });
        state = result.state;
        return result.effects;
      };
      after.forEach(next);
      for (const [event, done, says] of story) {
        const effects = next(event);
        assert.deepEqual(effects.flatMap(text), done, JSON.stringify(event));
        if (says !== undefined) assert.match(said(effects), says);
      }
    });
  }

  test("the signal that ends it is said", () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const { effects: [first] } = stepGuarded(
        INITIAL_GUARDED,
        { kind: "signal", signal },
        { waitsForDrain: false },
      );
      assert.ok(first?.kind === "print");
      assert.equal(first.line.text, `got ${signal}`);
    }
  });

  test("a look finds those that have ended, and KILL is for the others", () => {
    let state = INITIAL_GUARDED;
    let effects: readonly GuardedEffect[] = [];
    const next = (event: GuardedEvent) => {
      ({ state, effects } = stepGuarded(state, event, { waitsForDrain: false }));
    };
    [...DRAINING, TERM, TERM].forEach(next);
    next({ kind: "polled", ended: [{ pid: 10, status: { kind: "exited", code: 0 } }] });
    while (effects.at(-1)?.kind === "poll") next(POLLED);
    assert.deepEqual(effects.flatMap(text), ["SIGKILL 11", "exit 1"]);
  });

  test("the last one that ends at the last look is not killed", () => {
    let state = INITIAL_GUARDED;
    let effects: readonly GuardedEffect[] = [];
    const next = (event: GuardedEvent) => {
      ({ state, effects } = stepGuarded(state, event, { waitsForDrain: false }));
    };
    [...SERVING, TERM, TERM].forEach(next);
    for (let looks = 0; looks < 30; looks++) next(POLLED);
    next({ kind: "polled", ended: [{ pid: 10, status: { kind: "exited", code: 0 } }] });
    assert.deepEqual(effects.flatMap(text), ["exit 0"]);
  });

  const ends: Readonly<Record<string, { by: readonly GuardedEvent[]; looks: number }>> = {
    "a second TERM": { by: [TERM, TERM], looks: 31 },
    "25 s for requests in flight": { by: [TERM, left("", 25_400)], looks: 6 },
  };
  for (const [what, { by, looks }] of Object.entries(ends)) {
    test(`30 s after TERM what has not ended is killed: ${what}`, () => {
      let state = INITIAL_GUARDED;
      let effects: readonly GuardedEffect[] = [];
      const next = (event: GuardedEvent) => {
        ({ state, effects } = stepGuarded(state, event, { waitsForDrain: false }));
      };
      DRAINING.forEach(next);
      by.forEach(next);
      let seen = 0;
      for (; effects.at(-1)?.kind === "poll"; seen++) next(POLLED);
      assert.equal(seen, looks);
      assert.deepEqual(effects.flatMap(text), ["SIGKILL 10", "SIGKILL 11", "exit 1"]);
    });
  }
});
