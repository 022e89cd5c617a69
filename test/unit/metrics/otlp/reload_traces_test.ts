/** The spans of a reload: where they begin and end, and what they say. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type PlannedSpan, ReloadTraces } from "../../../../src/metrics/otlp/reload_traces.ts";
import { type LastReload, NO_STORY } from "../../../../src/report/snapshot.ts";

function phases(epoch: number, durations: Readonly<Record<string, number | null>>) {
  return Object.entries(durations).map(([phase, durationMs]) => ({ phase, epoch, durationMs }));
}

function reload(fields: Partial<LastReload>): LastReload {
  return {
    ...NO_STORY,
    epoch: 1,
    result: "ok",
    reason: null,
    durationMs: 500,
    connectionsCut: 0,
    connectionsUndecided: 0,
    connectionsKept: null,
    ...fields,
  };
}

/** One line each. */
function lines(spans: readonly PlannedSpan[]): string[] {
  return spans.map(({ reload, phase, startMs, endMs, error }) =>
    `${reload} ${phase ?? "reload"} ${startMs}-${endMs}${error === null ? "" : ` ${error}`}`
  );
}

const ARRIVAL = phases(1, { queued: 100, starting: 300, probing: 100 });

describe("ReloadTraces.look()", () => {
  it("has the request, and the phases up to the answer, when a reload is answered", () => {
    const traces = new ReloadTraces();
    const last = reload({ replaced: 0, phases: [...ARRIVAL, ...phases(0, { draining: null })] });
    const spans = traces.look(last, true, 10_000);
    assert.deepEqual(lines(spans), [
      "1 reload 9500-10000",
      "1 queued 9500-9600",
      "1 starting 9600-9900",
      "1 probing 9900-10000",
    ]);
    assert.deepEqual(spans[0]?.attributes, {
      "baton.reload.result": "ok",
      "baton.reload.order": "start-first",
      "baton.generation": 1,
      "baton.generation.replaced": 0,
    });
    assert.deepEqual(spans[1]?.attributes, { "baton.generation": 1 });
  });

  it("has the way out of the old generation when that has exited, once", () => {
    const traces = new ReloadTraces();
    const draining = reload({
      replaced: 0,
      phases: [...ARRIVAL, ...phases(0, { draining: null })],
    });
    traces.look(draining, true, 10_000);
    assert.deepEqual(traces.look(draining, false, 11_000), []);
    const gone = reload({
      replaced: 0,
      phases: [...ARRIVAL, ...phases(0, { draining: 2_000, stopping: 50 })],
      connections: { finished: 7, cut: 1, undecided: 0, moved: 2 },
    });
    const spans = traces.look(gone, false, 12_100);
    assert.deepEqual(lines(spans), ["1 draining 10050-12050", "1 stopping 12050-12100"]);
    assert.deepEqual(spans[0]?.attributes, {
      "baton.generation": 0,
      "baton.connections.finished": 7,
      "baton.connections.cut": 1,
      "baton.connections.undecided": 0,
      "baton.connections.moved": 2,
    });
    assert.deepEqual(traces.look(gone, false, 12_200), []);
  });

  it("has what is known of the way out when the next reload is answered before its end", () => {
    const traces = new ReloadTraces();
    const way = { draining: 400, stopping: null };
    traces.look(reload({ replaced: 0, phases: phases(0, { draining: null }) }), true, 10_000);
    traces.look(reload({ replaced: 0, phases: phases(0, way) }), false, 10_400);
    const next = reload({ epoch: 2, replaced: 1, phases: phases(2, { starting: 500 }) });
    assert.deepEqual(lines(traces.look(next, true, 11_000)), [
      "1 draining 10600-11000",
      "2 reload 10500-11000",
      "2 starting 10500-11000",
    ]);
  });

  it("marks the phase in which a generation has failed, and nothing else follows", () => {
    const traces = new ReloadTraces();
    const fields = { result: "failed", reason: "exited with 1", failedIn: "starting" } as const;
    const last = reload({ ...fields, phases: phases(1, { starting: 500, stopping: 20 }) });
    assert.deepEqual(lines(traces.look(last, true, 10_000)), [
      "1 reload 9500-10000 exited with 1",
      "1 starting 9500-10000 exited with 1",
      "1 stopping 10000-10000",
    ]);
    assert.deepEqual(traces.look(last, false, 20_000), []);
  });

  it("has a span alone for a reload that was refused, each time", () => {
    const traces = new ReloadTraces();
    const last = reload({ epoch: null, result: "refused", reason: "stopping", durationMs: 0 });
    assert.deepEqual(lines(traces.look(last, true, 10_000)), ["1 reload 10000-10000 stopping"]);
    assert.deepEqual(lines(traces.look(last, true, 10_001)), ["2 reload 10001-10001 stopping"]);
  });

  it("has the old generation's way out where it was, when that was stopped first", () => {
    const traces = new ReloadTraces();
    const last = reload({
      replaced: 0,
      held: { durationMs: 300, clients: 4, longestWaitMs: 250, overflows: 0 },
      phases: [
        ...phases(1, { queued: 50, waiting: 150, starting: 300 }),
        ...phases(0, { draining: 100, stopping: 50 }),
      ],
    });
    const spans = traces.look(last, true, 10_000);
    assert.deepEqual(lines(spans), [
      "1 reload 9500-10000",
      "1 queued 9500-9550",
      "1 waiting 9550-9700",
      "1 starting 9700-10000",
      "1 draining 9550-9650",
      "1 stopping 9650-9700",
    ]);
    assert.equal(spans[0]?.attributes["baton.reload.order"], "stop-first");
    assert.equal(spans[0]?.attributes["baton.clients.held"], 4);
    assert.deepEqual(traces.look(last, false, 11_000), []);
  });

  it("has a span for a generation that is rolled back later", () => {
    const traces = new ReloadTraces();
    traces.look(reload({ phases: phases(1, { starting: 500 }) }), true, 10_000);
    const rolledBack = reload({ result: "failed", reason: "rolled back: it is ill" });
    assert.deepEqual(lines(traces.look(rolledBack, false, 15_000)), [
      "1 rollback 15000-15000 rolled back: it is ill",
    ]);
    assert.deepEqual(traces.look(rolledBack, false, 16_000), []);
  });

  it("has nothing about a reload of an earlier baton", () => {
    const traces = new ReloadTraces();
    assert.deepEqual(traces.look(null, false, 1), []);
    assert.deepEqual(traces.look(reload({ replaced: 0 }), false, 2), []);
  });
});
