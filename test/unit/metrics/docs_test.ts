/** docs/metrics.md and the examples name the metrics that there are. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import type { Family } from "../../../src/metrics/family.ts";
import { processFamilies } from "../../../src/metrics/process_families.ts";
import { serviceGauges } from "../../../src/metrics/service_gauges.ts";
import type { OwnUsage } from "../../../src/platform/own_usage.ts";
import type { Summary } from "../../../src/report/summary.ts";
import { SERIES } from "../../../src/stats/series.ts";
import { dashboardExpressions } from "../../support/grafana_dashboard.ts";
import { REPOSITORY } from "../../support/programs.ts";

/** Nothing in it is unknown, so that every family has a point, and its labels. */
const SUMMARY = {
  startedAt: "1970-01-01T00:00:00Z",
  version: "1",
  epoch: 0,
  incarnation: 0,
  lookAgeMs: 1,
  lastReload: { result: "ok", durationMs: 1 },
  workers: { wanted: 1 },
  fronts: [{ file: "x", state: "followed", envoys: [] }],
  generations: [{
    epoch: 0,
    state: "serving",
    startedAt: "1970-01-01T00:00:00Z",
    leftMs: 1,
    connections: { busy: 0, idle: 0, undecided: 0 },
    workers: { serving: 1 },
  }],
} as unknown as Summary;

const USAGE = new Proxy({}, { get: () => 1 }) as OwnUsage;

function row({ name, type, help, points }: Family): string {
  const labels = Object.keys(points[0]?.labels ?? {}).map((label) => `\`${label}\``).join(", ");
  return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
}

const NOW = [...serviceGauges(SUMMARY), ...processFamilies(USAGE)];

it("docs/metrics.md lists what is true at the time of a scrape", () => {
  const table = [
    "| Name | Kind | Labels | Meaning |",
    "| --- | --- | --- | --- |",
    ...NOW.map(row),
  ];
  const page = readFileSync(join(REPOSITORY, "docs", "metrics.md"), "utf8");
  const [, listed] =
    /<!-- generated: gauges -->\n\n([^]*?)\n\n<!-- end of generated -->/.exec(page) ?? [];
  assert.equal(listed, table.join("\n"));
});

it("the examples for Prometheus and Grafana are about metrics that there are", () => {
  const names = new Set([...Object.keys(SERIES), ...NOW.map(({ name }) => name)]);
  const rules = readFileSync(join(REPOSITORY, "examples", "prometheus", "rules.yml"), "utf8");
  const used = [rules, ...dashboardExpressions()]
    .flatMap((each) => each.match(/\b(?:baton|process)_[a-z_]+/g) ?? [])
    .map((name) => name.replace(/_bucket$/, ""));
  assert.ok(used.length > 30);
  assert.deepEqual([...new Set(used.filter((name) => !names.has(name)))], []);
});
