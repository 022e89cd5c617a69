/** What is counted is read again: counters add up, what is gone is gone, and room that was used up is found again. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Registry, type SharedSlots } from "../../../src/stats/registry.ts";
import { type Sample, seriesText } from "../../../src/stats/series.ts";
import { Slot, SLOT_SIZE, type StoredSeries } from "../../../src/stats/slot.ts";

function valuesOf(samples: readonly Sample[]): Record<string, number> {
  return Object.fromEntries(samples.map((sample) => [seriesText(sample), sample.value]));
}

/** Slots in this process: `left` stands for what another baton has counted. */
function slotsWith(left: StoredSeries[], others: StoredSeries[][] = []) {
  const published: Slot[] = [];
  let next: Slot | null = null;
  const shared: SharedSlots = {
    obtain: () => next = new Slot(new Uint8Array(SLOT_SIZE)),
    leftBehind: () => published.length === 0 ? left : [],
    publish: () => void published.push(next!),
    ofOthers: () => others,
  };
  return { shared, published };
}

const counter = (name: string, value: number): StoredSeries => ({
  name,
  kind: "counter",
  labels: {},
  buckets: [],
  cells: [value],
});

describe("Registry", () => {
  test("counters, gauges and states have their values, labels in one order", () => {
    const registry = new Registry();
    registry.counter("baton_reloads_total", { result: "ok" }).add();
    registry.counter("baton_reloads_total", { result: "ok" }).add(2);
    registry.counter("baton_reloads_total", { result: "failed" }).add();
    registry.gauge("baton_epoch").set(7);
    registry.gauge("baton_generations", { state: "busy", generation: "3" }).set(1);
    registry.gauge("baton_generations", { generation: "3", state: "busy" }).set(5);
    assert.deepEqual(valuesOf(registry.read()), {
      'baton_reloads_total{result="ok"}': 3,
      'baton_reloads_total{result="failed"}': 1,
      baton_epoch: 7,
      'baton_generations{generation="3",state="busy"}': 5,
    });
  });

  test("a histogram counts each observation up to all bounds that it does not exceed", () => {
    const registry = new Registry();
    const seconds = registry.histogram("baton_gate_seconds");
    for (const value of [0.001, 0.005, 0.2, 7200]) seconds.observe(value);
    const [sample] = registry.read();
    const { buckets = [], cumulative = [], value, sum } = sample!;
    assert.deepEqual(buckets.slice(0, 4), [0.005, 0.025, 0.1, 0.25]);
    assert.deepEqual(cumulative.slice(0, 4), [2, 2, 2, 3]);
    assert.deepEqual(cumulative.slice(-2), [3, 4], "the longest one is beyond all bounds");
    assert.equal(cumulative.length, buckets.length + 1);
    assert.equal(value, 4);
    assert.ok(Math.abs(sum - 7200.206) < 1e-9);
  });

  test("what is removed is read no more, and is new when it comes back", () => {
    const registry = new Registry();
    const gauge = registry.gauge("baton_generations", { generation: "1", state: "idle" });
    gauge.set(9);
    gauge.remove();
    gauge.remove();
    assert.deepEqual(registry.read(), []);
    gauge.set(2);
    assert.deepEqual(registry.read().map(({ value }) => value), [2]);
  });

  test("thousands of generations come and go, and counters keep their values in the room that there is", () => {
    const registry = new Registry();
    const reloads = registry.counter("baton_reloads_total", { result: "ok" });
    for (let epoch = 0; epoch < 5_000; epoch++) {
      reloads.add();
      const gauge = registry.gauge("baton_generations", { generation: `${epoch}`, state: "busy" });
      gauge.set(epoch);
      if (epoch < 4_999) gauge.remove();
    }
    assert.deepEqual(valuesOf(registry.read()), {
      'baton_reloads_total{result="ok"}': 5_000,
      'baton_generations{generation="4999",state="busy"}': 4_999,
    });
  });

  test("without room for one more series the others count on", () => {
    const registry = new Registry();
    const reloads = registry.counter("baton_reloads_total", { result: "ok" });
    for (let i = 0; i < 2_000; i++) {
      registry.gauge("baton_generations", { generation: `${i}`, state: "busy" }).set(1);
    }
    reloads.add();
    const values = valuesOf(registry.read());
    assert.equal(values['baton_reloads_total{result="ok"}'], 1);
    assert.ok(Object.keys(values).length > 300, `${Object.keys(values).length}`);
    assert.ok(Object.keys(values).length < 2_000);
  });

  test("attach: what was counted before is added to what another baton has left, its gauges are not", () => {
    const registry = new Registry();
    const reloads = registry.counter("baton_reloads_total");
    reloads.add();
    const gone: StoredSeries = { ...counter("baton_generations", 4), kind: "gauge" };
    const said: StoredSeries = { ...counter("baton_last_reload_successful", 1), kind: "state" };
    const left = [counter("baton_reloads_total", 10), counter("of_a_later_version", 3), gone, said];
    const { shared, published } = slotsWith(left);
    assert.equal(registry.attach(shared), true);
    reloads.add();
    const expected = {
      baton_reloads_total: 12,
      of_a_later_version: 3,
      baton_last_reload_successful: 1,
    };
    assert.deepEqual(valuesOf(registry.read()), expected);
    assert.equal(published.length, 1);
    const cells = published[0]!.series().map(({ name, cells: [value] }) => [name, value]);
    assert.deepEqual(Object.fromEntries(cells), expected, "others read the same");
  });

  test("what another baton counts at the same time is added", () => {
    const registry = new Registry();
    registry.counter("baton_reloads_total").add();
    registry.gauge("baton_epoch").set(5);
    const others = [[counter("baton_reloads_total", 2), {
      ...counter("baton_epoch", 4),
      kind: "state" as const,
    }]];
    registry.attach(slotsWith([], others).shared);
    assert.deepEqual(valuesOf(registry.read()), { baton_reloads_total: 3, baton_epoch: 5 });
  });

  test("where no slot is free it counts in its own memory", () => {
    const registry = new Registry();
    const shared = { ...slotsWith([]).shared, obtain: () => null };
    registry.counter("baton_reloads_total").add();
    assert.equal(registry.attach(shared), false);
    registry.counter("baton_reloads_total").add();
    assert.deepEqual(valuesOf(registry.read()), { baton_reloads_total: 2 });
  });
});
