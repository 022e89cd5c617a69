/** What `baton stats` prints for people. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { statsLines } from "../../../../src/cli/commands/watch/stats.ts";
import type { Sample } from "../../../../src/stats/series.ts";

const sample = (name: string, value: number, more: Partial<Sample> = {}): Sample => ({
  name,
  kind: "counter",
  labels: {},
  buckets: [],
  value,
  cumulative: [],
  sum: 0,
  ...more,
});

test("statsLines(): a line for each series, by name, values in a column", () => {
  const seconds = { kind: "histogram", buckets: [1], cumulative: [2, 3] } as const;
  const lines = statsLines([
    sample("reloads_total", 12, { labels: { result: "ok" } }),
    sample("gate_seconds", 3, { ...seconds, sum: 1.23456 }),
    sample("never_seconds", 0, { kind: "histogram" }),
    sample("share_ratio", 0.125, { kind: "state" }),
    sample("started_seconds", 1796000000.1239, { kind: "state" }),
  ]);
  assert.deepEqual(lines, [
    "gate_seconds                3, mean 0.412, sum 1.235",
    "never_seconds               0",
    'reloads_total{result="ok"}  12',
    "share_ratio                 0.125",
    "started_seconds             1796000000.124",
  ]);
});

test("statsLines(): nothing was counted", () => assert.deepEqual(statsLines([]), []));
