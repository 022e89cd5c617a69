/** The two text forms, from families. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { expose } from "../../../src/metrics/exposition.ts";
import type { Family } from "../../../src/metrics/family.ts";

const FAMILIES: readonly Family[] = [
  {
    name: "baton_reloads_total",
    help: "Reloads\nby result",
    type: "counter",
    points: [
      { labels: { result: "ok" }, value: 3 },
      { labels: { result: 'a "b"\\\n' }, value: 0 },
    ],
  },
  { name: "baton_epoch", help: "Number", type: "gauge", points: [] },
  {
    name: "baton_start_time_seconds",
    help: "Start",
    type: "gauge",
    points: [{ labels: {}, value: 1.5 }],
  },
  {
    name: "baton_gate_seconds",
    help: "Gate",
    type: "histogram",
    points: [{ labels: {}, bounds: [0.5, 1], counts: [1, 0, 2], sum: 7.25 }],
  },
];

describe("expose()", () => {
  it("writes the text of Prometheus", async () => {
    const { contentType, text } = await expose(FAMILIES, "prometheus");
    assert.equal(contentType, "text/plain; version=0.0.4; charset=utf-8");
    assert.equal(
      text,
      `# HELP baton_reloads_total Reloads\\nby result
# TYPE baton_reloads_total counter
baton_reloads_total{result="ok"} 3
baton_reloads_total{result="a \\"b\\"\\\\\\n"} 0

# HELP baton_start_time_seconds Start
# TYPE baton_start_time_seconds gauge
baton_start_time_seconds 1.5

# HELP baton_gate_seconds Gate
# TYPE baton_gate_seconds histogram
baton_gate_seconds_bucket{le="0.5"} 1
baton_gate_seconds_bucket{le="1"} 1
baton_gate_seconds_bucket{le="+Inf"} 3
baton_gate_seconds_sum 7.25
baton_gate_seconds_count 3
`,
    );
  });

  it("writes OpenMetrics", async () => {
    const { contentType, text } = await expose(FAMILIES, "openmetrics");
    assert.equal(contentType, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert.equal(
      text,
      `# HELP baton_reloads Reloads\\nby result
# TYPE baton_reloads counter
baton_reloads_total{result="ok"} 3
baton_reloads_total{result="a \\"b\\"\\\\\\n"} 0
# HELP baton_start_time_seconds Start
# TYPE baton_start_time_seconds gauge
baton_start_time_seconds 1.5
# HELP baton_gate_seconds Gate
# TYPE baton_gate_seconds histogram
baton_gate_seconds_bucket{le="0.5"} 1
baton_gate_seconds_bucket{le="1.0"} 1
baton_gate_seconds_bucket{le="+Inf"} 3
baton_gate_seconds_sum 7.25
baton_gate_seconds_count 3
# EOF
`,
    );
  });

  it("keeps the names of the text of Prometheus after OpenMetrics was written", async () => {
    await expose(FAMILIES, "openmetrics");
    const { text } = await expose(FAMILIES, "prometheus");
    assert.match(text, /^baton_reloads_total\{result="ok"\} 3$/m);
  });
});
