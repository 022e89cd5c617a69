/** What is remembered of a reload when the generation that it has replaced is gone. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { GenerationState, Outcome } from "../../../src/lifecycle/generation.ts";
import type { ServiceEvent } from "../../../src/lifecycle/vocabulary.ts";
import { INITIAL_STATE, type ServiceState } from "../../../src/lifecycle/state.ts";
import * as v from "valibot";
import { COUNTERS } from "../../../src/succession/state/fields.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { History } from "../../../src/report/history.ts";

const READY: ServiceEvent = { kind: "ready", epoch: 1 };

function state(...generations: [epoch: number, state: GenerationState][]) {
  const described = generations.map(([epoch, phase]) => ({
    ...{ epoch, state: phase, outcome: null, reason: null },
  }));
  return { ...INITIAL_STATE, generations: described } as unknown as ServiceState;
}

describe("History", () => {
  for (const again of [0, 1, 2]) {
    test(`knows what a reload has cut when the new generation is ready ${again + 1} times`, () => {
      const history = new History(new FakeClock());
      history.started(0, new Date(0));
      history.started(1, new Date(0));
      history.beforeStep(READY, state([0, "serving"], [1, "probing"]));
      history.reloaded({ epoch: 1, result: "ok", reason: null, durationMs: 5 });
      for (let i = 0; i < again; i++) {
        history.beforeStep(READY, state([0, "draining"], [1, "serving"]));
      }
      const kept = { moved: 3, finished: 2, left: 1 };
      history.ended(0, { cut: 7, undecided: 0, seen: null, kept });
      assert.equal(history.lastReload?.connectionsCut, 7);
      assert.deepEqual(history.lastReload?.connectionsKept, kept);
    });
  }

  test("counts drain calls, and hands them to the next baton", () => {
    const clock = new FakeClock();
    const history = new History(clock);
    assert.deepEqual(history.counters, { ok: 0, failed: 0, crashes: 0 });
    const called = { kind: "drain_called", epoch: 3, worker: 1, call: "POST:9901/x" } as const;
    for (const failure of [null, "refused", null]) {
      history.beforeStep({ ...called, failure }, state([3, "draining"]));
    }
    const at = new Date(clock.wallMs()).toISOString();
    const lastFailure = { call: "POST:9901/x", epoch: 3, worker: 1, reason: "refused", at };
    const next = new History(clock);
    next.counters = v.parse(COUNTERS, history.counters);
    assert.deepEqual(next.drainCalls, { ok: 2, failed: 1, lastFailure });
  });

  test("knows what was cut of a generation that was rolled back, and of each by itself", () => {
    const history = new History(new FakeClock());
    for (const epoch of [0, 1]) history.started(epoch, new Date(0));
    history.beforeStep(READY, state([0, "serving"], [1, "probing"]));
    history.afterStep(state([0, "serving"], [1, "draining"]));
    history.reloaded({ epoch: 1, result: "ok", reason: null, durationMs: 5 });
    history.rolledBack(1, "it is ill");
    const view = history.ended(1, { cut: 3, undecided: 2, seen: null, kept: null });
    for (const known of [view, history.lastReload]) {
      assert.deepEqual([known?.connectionsCut, known?.connectionsUndecided], [3, 2]);
    }
  });

  const exits: [was: GenerationState, status: number, outcome: Outcome | null][] = [
    ["waiting", 3, "failed"],
    ["starting", 3, "failed"],
    ["probing", 0, "failed"],
    ["baking", 3, "rolled back"],
    ["serving", 3, "crashed"],
    ["serving", 0, "finished"],
    ["draining", 0, null],
  ];
  for (const [was, status, outcome] of exits) {
    test(`${was}, and exits with ${status}: ${outcome}, with the reason`, () => {
      const history = new History(new FakeClock());
      history.started(1, new Date(0));
      const exit = { text: `exit status ${status}`, status, isFinal: false };
      const event = { kind: "exited", epoch: 1, exit } as ServiceEvent;
      history.beforeStep(event, state([0, "serving"], [1, was]));
      const ended = history.ended(1, { cut: 0, undecided: 0, seen: null, kept: null });
      assert.equal(ended?.outcome, outcome);
      assert.equal(ended?.reason, outcome === null ? null : exit.text);
    });
  }
});
