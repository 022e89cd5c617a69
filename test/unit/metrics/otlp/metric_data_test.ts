/** Families as OTLP has them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Family } from "../../../../src/metrics/family.ts";
import { metricDataOf } from "../../../../src/metrics/otlp/metric_data.ts";

const TIMES = { nowMs: 2_000_000_000_123.5, countedSinceMs: 1_000, processStartedAtMs: 5_000 };

function family(name: string, type: "counter" | "gauge" = "gauge"): Family {
  return { name, help: "Help", type, points: [{ labels: { state: "busy" }, value: 2.5 }] };
}

describe("metricDataOf()", () => {
  const table: [name: string, type: "counter" | "gauge", otlp: string, unit: string][] = [
    ["baton_reloads_total", "counter", "baton.reloads", ""],
    ["baton_deadline_seconds", "gauge", "baton.deadline", "s"],
    ["baton_generation_share_ratio", "gauge", "baton.generation_share", "1"],
    ["baton_queued_connections", "gauge", "baton.queued_connections", ""],
    ["process_cpu_seconds_total", "counter", "process.cpu.time", "s"],
    ["process_open_fds", "gauge", "process.unix.file_descriptor.count", "{file_descriptor}"],
  ];
  for (const [name, type, otlp, unit] of table) {
    it(`names ${name} ${otlp}`, () => {
      const [data, ...more] = metricDataOf([family(name, type)], TIMES);
      assert.equal(more.length, 0);
      assert.deepEqual([data?.descriptor.name, data?.descriptor.unit], [otlp, unit]);
      assert.equal(data && "isMonotonic" in data && data.isMonotonic, type === "counter");
    });
  }

  it("leaves out what OTLP says by its own means, and what has no points", () => {
    const empty: Family = { ...family("baton_epoch"), points: [] };
    assert.deepEqual(metricDataOf([family("process_start_time_seconds"), empty], TIMES), []);
  });

  it("counts since the start of the service, and about the process since its own", () => {
    const [own, process] = metricDataOf(
      [family("baton_reloads_total", "counter"), family("process_cpu_seconds_total", "counter")],
      TIMES,
    );
    assert.deepEqual(own?.dataPoints, [{
      startTime: [1, 0],
      endTime: [2_000_000_000, 123_500_000],
      attributes: { state: "busy" },
      value: 2.5,
    }]);
    assert.deepEqual(process?.dataPoints[0]?.startTime, [5, 0]);
  });

  it("has the buckets of a histogram apart, and their number", () => {
    const [data] = metricDataOf([{
      name: "baton_gate_seconds",
      help: "Gate",
      type: "histogram",
      points: [{ labels: {}, bounds: [0.5, 1], counts: [1, 0, 2], sum: 7.25 }],
    }], TIMES);
    assert.deepEqual(data?.dataPoints[0]?.value, {
      buckets: { boundaries: [0.5, 1], counts: [1, 0, 2] },
      sum: 7.25,
      count: 3,
    });
  });
});
