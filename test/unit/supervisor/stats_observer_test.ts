/** What each step of the lifecycle adds to the statistics. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type GenerationState, newGeneration } from "../../../src/lifecycle/generation.ts";
import { INITIAL_STATE, type ServiceState } from "../../../src/lifecycle/state.ts";
import type { ServiceEffect, ServiceEvent } from "../../../src/lifecycle/vocabulary.ts";
import { History } from "../../../src/report/history.ts";
import { Registry } from "../../../src/stats/registry.ts";
import { seriesText } from "../../../src/stats/series.ts";
import { StatsObserver } from "../../../src/supervisor/stats_observer.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const NOTHING: ServiceEvent = { kind: "backoff_elapsed" };
const SECOND = 1000;

/** Which states the generations 0, 1, 2 ... have; null: it is not there. */
function stateOf(
  states: readonly (GenerationState | null)[],
  more: Partial<ServiceState> = {},
): ServiceState {
  const generations = states.flatMap((state, epoch) =>
    state === null ? [] : [newGeneration(epoch, { state })]
  );
  return { ...INITIAL_STATE, ...more, generations };
}

class Watched {
  readonly clock = new FakeClock();
  readonly history = new History(this.clock);
  readonly registry = new Registry();
  readonly observer = new StatsObserver(this.registry, this.clock);
  #before = INITIAL_STATE;

  step(
    after: ServiceState,
    { event = NOTHING, effects = [] }: {
      readonly event?: ServiceEvent;
      readonly effects?: readonly ServiceEffect[];
    } = {},
  ): void {
    const { history } = this;
    this.observer.onStep({ event, before: this.#before, after, effects, history });
    this.#before = after;
  }

  /** The values of series whose names begin so; of a histogram [observations, sum]. */
  values(prefix: string): Record<string, number | [number, number]> {
    const samples = this.registry.read().filter(({ name }) => name.startsWith(prefix));
    return Object.fromEntries(
      samples.map((sample) => [
        seriesText(sample),
        sample.kind === "histogram" ? [sample.value, sample.sum] : sample.value,
      ]),
    );
  }
}

const reloadResult = (result: "ok" | "failed" | "refused", requests = [1]): ServiceEffect => ({
  kind: "reload_result",
  requests,
  epoch: 1,
  result,
  reason: null,
});

describe("StatsObserver", () => {
  test("the gate takes from the start to the moment in which a generation may serve", () => {
    const watched = new Watched();
    watched.step(stateOf(["waiting"]));
    watched.clock.block(5 * SECOND);
    watched.step(stateOf(["starting"]));
    watched.clock.block(2 * SECOND);
    watched.step(stateOf(["probing"]));
    watched.clock.block(SECOND);
    watched.step(stateOf(["serving"]));
    assert.deepEqual(watched.values("baton_gate"), { baton_gate_seconds: [1, 3] });
    watched.step(stateOf(["serving", "starting"]));
    watched.clock.block(SECOND);
    watched.step(stateOf(["serving", "baking"]));
    watched.clock.block(60 * SECOND);
    watched.step(stateOf(["draining", "serving"]));
    assert.deepEqual(watched.values("baton_gate"), { baton_gate_seconds: [2, 4] });
  });

  test("a generation that fails before its gate has no time to pass it", () => {
    const watched = new Watched();
    watched.step(stateOf(["starting"]));
    watched.step(stateOf(["stopping"]));
    watched.step(stateOf([]));
    assert.deepEqual(watched.values("baton_gate"), {});
    assert.deepEqual(watched.values("baton_drain_seconds"), {});
  });

  const ways: readonly (readonly [string, readonly (GenerationState | null)[], number | null])[] = [
    ["to its stop signal", ["stopping", null], 4],
    ["to its end, if that comes first", [null], 4],
    ["unless it serves again, and crashes then", ["serving", null], null],
  ];
  for (const [what, then, seconds] of ways) {
    test(`a drain takes from its beginning ${what}`, () => {
      const watched = new Watched();
      watched.step(stateOf(["serving"]));
      watched.step(stateOf(["draining"]));
      watched.clock.block(4 * SECOND);
      for (const state of then) {
        watched.step(stateOf([state]));
        watched.clock.block(SECOND);
      }
      const expected = seconds === null ? {} : { baton_drain_seconds: [1, seconds] };
      assert.deepEqual(watched.values("baton_drain_seconds"), expected);
    });
  }

  test("reloads are counted by their results, a restart that was not asked for is none", () => {
    const watched = new Watched();
    const effects = [reloadResult("ok"), reloadResult("refused"), reloadResult("failed", [])];
    watched.step(stateOf(["serving"]), { effects });
    assert.deepEqual(watched.values("baton_reloads_total"), {
      'baton_reloads_total{result="ok"}': 1,
      'baton_reloads_total{result="refused"}': 1,
    });
    assert.deepEqual(watched.values("baton_last_reload_succ"), { baton_last_reload_successful: 1 });
    watched.step(stateOf(["serving"]), { effects: [reloadResult("failed")] });
    assert.deepEqual(watched.values("baton_last_reload"), {
      baton_last_reload_successful: 0,
      baton_last_reload_timestamp_seconds: Date.UTC(2026, 0, 1) / SECOND,
    });
  });

  const effects: readonly (readonly [ServiceEffect, string])[] = [
    [{ kind: "rolled_back", epoch: 1, reason: "" }, "baton_rollbacks_total"],
    [
      { kind: "upgrade_result", requests: [1], result: "failed", reason: "" },
      'baton_upgrades_total{result="failed"}',
    ],
    [
      { kind: "scale_result", requests: [1], result: "ok", workers: 2, reason: null },
      'baton_scalings_total{result="ok"}',
    ],
  ];
  for (const [effect, series] of effects) {
    test(`${effect.kind} is counted`, () => {
      const watched = new Watched();
      watched.step(stateOf([]), { effects: [effect] });
      assert.equal(watched.values("baton_")[series], 1);
    });
  }

  const events: readonly (readonly [ServiceEvent, string])[] = [
    [
      { kind: "worker_exited", epoch: 0, worker: 0, reason: "", status: 0 },
      "baton_worker_exits_total",
    ],
    [{ kind: "unhealthy", epoch: 0, reason: "" }, "baton_unhealthy_total"],
    [
      { kind: "drain_called", epoch: 0, worker: 0, call: "POST:1/x", failure: null },
      'baton_drain_calls_total{result="ok"}',
    ],
    [
      { kind: "drain_called", epoch: 0, worker: 0, call: "POST:1/x", failure: "refused" },
      'baton_drain_calls_total{result="failed"}',
    ],
    [{ kind: "drain_timed_out", epoch: 0 }, "baton_drain_timeouts_total"],
    [{ kind: "stop_timed_out", epoch: 0 }, "baton_stop_timeouts_total"],
  ];
  for (const [event, series] of events) {
    test(`${event.kind} is counted`, () => {
      const watched = new Watched();
      watched.step(stateOf(["serving"]), { event });
      assert.equal(watched.values("baton_")[series], 1);
    });
  }

  test("a crash is counted when it happens, not while it is remembered", () => {
    const watched = new Watched();
    for (const crashes of [1, 1, 2, 0, 1]) watched.step(stateOf([], { crashes }));
    assert.deepEqual(watched.values("baton_crashes"), { baton_crashes_total: 3 });
  });

  test("each client that waited is observed", () => {
    const watched = new Watched();
    watched.history.waitsMs = [20, 1500];
    watched.step(stateOf(["serving"]));
    watched.history.beforeStep(NOTHING, stateOf([]));
    watched.step(stateOf(["serving"]));
    const expected = { baton_client_wait_seconds: [2, 1.52] };
    assert.deepEqual(watched.values("baton_client_wait"), expected);
  });

  test("generations are counted in each state, the predecessor's is its own baton's", () => {
    const watched = new Watched();
    const number = (state: string) =>
      watched.values("baton_gen")[`baton_generations{state="${state}"}`];
    watched.step(stateOf(["draining", "draining", "serving"], { inherited: 0 }));
    assert.equal(number("draining"), 1);
    assert.equal(number("serving"), 1);
    assert.equal(number("starting"), 0);
    assert.deepEqual(watched.values("baton_epoch"), { baton_epoch: 2 });
    watched.step(stateOf(["serving"], { inherited: 0 }));
    assert.equal(number("serving"), 0);
    assert.deepEqual(watched.values("baton_epoch"), {});
  });

  test("the share of a trial is there as long as the trial", () => {
    const watched = new Watched();
    const trial = { phase: "canary", percent: 10 } as const;
    watched.step(stateOf(["serving", "baking"], { trial }));
    assert.deepEqual(watched.values("baton_trial"), { baton_trial_share_ratio: 0.1 });
    watched.step(stateOf(["draining", "serving"]));
    assert.deepEqual(watched.values("baton_trial"), {});
  });

  test("an end is counted with what became of the connections, and not the predecessor's", () => {
    const exit = { status: 0, asRequested: true, text: "exit status 0" };
    const ended = (epoch: number, inherited: number | null) => {
      const watched = new Watched();
      const before = stateOf(["stopping", "serving"], { inherited });
      watched.history.started(epoch, new Date(0), 7);
      watched.history.afterStep(before);
      watched.step(before);
      watched.history.ended(epoch, { cut: 2, undecided: 1, seen: 9, kept: null });
      watched.step(stateOf([null, "serving"]), { event: { kind: "exited", epoch, exit } });
      return watched.values("baton_drained");
    };
    assert.deepEqual(ended(0, null), {
      'baton_drained_connections_total{fate="finished"}': 0,
      'baton_drained_connections_total{fate="cut"}': 2,
      'baton_drained_connections_total{fate="undecided"}': 1,
      'baton_drained_connections_total{fate="moved"}': 0,
    });
    assert.deepEqual(ended(0, 0), {});
  });
});
