/** What a scrape shows of what was counted, and of what is true now. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { familiesOf } from "../../../src/metrics/families.ts";
import { serverFacts, serverFamilies } from "../../../src/metrics/envoy_server.ts";
import { parseStatsQuery, statsAnswer, usedFamilies } from "../../../src/metrics/envoy_stats.ts";
import type { Family } from "../../../src/metrics/family.ts";
import { Registry } from "../../../src/stats/registry.ts";
import type { Summary } from "../../../src/report/summary.ts";
import type { OwnUsage } from "../../../src/platform/own_usage.ts";

const USAGE: OwnUsage = {
  cpuSeconds: 1.25,
  residentBytes: 4096,
  virtualBytes: 8192,
  threads: 3,
  startedAtSeconds: 1000,
  uptimeSeconds: 61.5,
  openDescriptors: null,
  descriptorLimit: 1024,
};

function summary(...generations: [epoch: number, state: string, busy: number][]): Summary {
  return {
    version: "1.2.3",
    incarnation: 0,
    epoch: generations.find(([, state]) => state === "serving")?.[0] ?? null,
    workers: { configured: 1, wanted: 2 },
    isQueued: false,
    fronts: [],
    lastReload: null,
    lookAgeMs: 20,
    generations: generations.map(([epoch, state, busy]) => ({
      epoch,
      state,
      startedAt: "1970-01-01T00:00:05.500Z",
      percent: state === "serving" ? 100 : 0,
      workers: { serving: state === "serving" ? 1 : 0, total: 1 },
      connections: { total: busy + 1, busy, idle: 1, undecided: 0 },
      queue: 0,
      leftMs: state === "draining" ? 1500 : null,
    })),
  } as unknown as Summary;
}

/** As one line each, to compare. */
function linesOf(families: readonly Family[], name: string): string[] {
  return families.filter((each) => each.name === name).flatMap((family) =>
    family.type === "histogram"
      ? family.points.map(({ counts, sum }) => `${counts.join(" ")} = ${sum}`)
      : family.points.map(({ labels, value }) =>
        `${Object.values(labels).join(" ")} ${value}`.trim()
      )
  );
}

describe("familiesOf()", () => {
  it("has each name once, each with a kind and a help", () => {
    const registry = new Registry();
    registry.counter("baton_reloads_total", { result: "ok" }).add();
    registry.gauge("baton_generations", { state: "serving" }).set(9);
    const families = familiesOf({
      samples: registry.read(),
      summary: summary([0, "serving", 2]),
      usage: USAGE,
    });
    const names = families.map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
    for (const { name, help, type } of families) {
      assert.match(help, /^[A-Z0-9].*[^.]$/, name);
      assert.equal(name.endsWith("_total"), type === "counter", name);
    }
  });

  it("shows whether each front is followed, where that is known, and its Envoys", () => {
    const envoy = (result: string) => ({ admin: "x", result, detail: null });
    const states = ["waiting", "unwritten", "asking", "followed", "not followed", "unasked"];
    const fronts = states.map((state) => ({
      file: state,
      state,
      envoys: state === "not followed" ? [envoy("follows"), envoy("absent")] : [],
    }));
    const summary_ = { ...summary([0, "serving", 0]), fronts } as unknown as Summary;
    const families = familiesOf({ samples: [], summary: summary_, usage: USAGE });
    assert.deepEqual(linesOf(families, "baton_front_followed"), [
      "unwritten 0",
      "followed 1",
      "not followed 0",
    ]);
    const envoys = linesOf(families, "baton_front_envoys").filter((line) => line.startsWith("not"));
    assert.deepEqual(envoys, [
      "not followed follows 1",
      "not followed behind 0",
      "not followed rejected 0",
      "not followed absent 1",
    ]);
  });

  it("shows a zero for what has not happened yet", () => {
    const registry = new Registry();
    registry.counter("baton_reloads_total", { result: "ok" }).add(2);
    const families = familiesOf({ samples: registry.read(), summary: summary(), usage: USAGE });
    const reloads = linesOf(families, "baton_reloads_total");
    assert.deepEqual(reloads, ["ok 2", "failed 0", "refused 0"]);
    assert.deepEqual(linesOf(families, "baton_rollbacks_total"), ["0"]);
    assert.deepEqual(linesOf(families, "baton_drain_seconds"), [`${"0 ".repeat(14)}= 0`]);
    assert.deepEqual(linesOf(families, "baton_epoch"), []);
  });

  it("has the buckets of a histogram apart", () => {
    const registry = new Registry();
    for (const seconds of [0.001, 0.3, 0.3, 4_000]) {
      registry.histogram("baton_gate_seconds").observe(seconds);
    }
    const families = familiesOf({ samples: registry.read(), summary: summary(), usage: USAGE });
    const [line = ""] = linesOf(families, "baton_gate_seconds");
    assert.match(line, /^1 0 0 0 2 0 0 0 0 0 0 0 0 1 = 4000\.60/);
  });

  it("prefers what is true now to what was noted, and forgets what has exited", () => {
    const registry = new Registry();
    registry.gauge("baton_generations", { state: "serving" }).set(9);
    const families = familiesOf({
      samples: registry.read(),
      summary: summary([0, "exited", 7], [1, "draining", 3], [2, "serving", 0]),
      usage: USAGE,
    });
    const states = linesOf(families, "baton_generations").filter((line) => !line.endsWith(" 0"));
    assert.deepEqual(states, ["serving 1", "draining 1"]);
    const connections = linesOf(families, "baton_connections");
    const expected = ["1 busy 3", "1 idle 1", "1 undecided 0", "2 busy 0", "2 idle 1"];
    assert.deepEqual(connections, [...expected, "2 undecided 0"]);
    assert.deepEqual(linesOf(families, "baton_deadline_seconds"), ["1 1.5"]);
    assert.deepEqual(linesOf(families, "baton_generation_start_time_seconds"), ["1 5.5", "2 5.5"]);
    assert.deepEqual(linesOf(families, "baton_generation_share_ratio"), ["1 0", "2 1"]);
  });

  it("passes on what a baton of another version has counted", () => {
    const strange = {
      kind: "counter",
      labels: { a: "b" },
      buckets: [],
      cumulative: [],
      sum: 0,
    } as const;
    const samples = [{ ...strange, name: "baton_new_total", value: 7 }];
    const families = familiesOf({ samples, summary: summary(), usage: USAGE });
    assert.deepEqual(linesOf(families, "baton_new_total"), ["b 7"]);
  });

  it("leaves out what is not known about the process", () => {
    const families = familiesOf({ samples: [], summary: summary(), usage: USAGE });
    assert.deepEqual(linesOf(families, "process_open_fds"), []);
    assert.deepEqual(linesOf(families, "process_cpu_seconds_total"), ["1.25"]);
  });
});

const STATS: readonly Family[] = [
  {
    name: "baton_reloads_total",
    help: "",
    type: "counter",
    points: [{ labels: { result: "ok" }, value: 3 }, { labels: { result: "failed" }, value: 0 }],
  },
  {
    name: "baton_gate_seconds",
    help: "",
    type: "histogram",
    points: [{ labels: {}, bounds: [1, 2], counts: [0, 4, 0], sum: 6 }],
  },
  {
    name: "baton_drain_seconds",
    help: "",
    type: "histogram",
    points: [{ labels: {}, bounds: [1], counts: [0, 0], sum: 0 }],
  },
  ...serverFamilies(serverFacts(
    summary([1, "draining", 3], [2, "serving", 0]),
    "LIVE",
    USAGE,
  )),
];

describe("/stats", () => {
  const quantiles =
    "P0(nan,1) P25(nan,1.25) P50(nan,1.5) P75(nan,1.75) P90(nan,1.9) P95(nan,1.95) " +
    "P99(nan,1.99) P99.5(nan,1.995) P99.9(nan,1.999) P100(nan,2)";
  const server = "server.concurrency: 2\nserver.hot_restart_epoch: 2\n" +
    "server.hot_restart_generation: 3\nserver.live: 1\nserver.memory_physical_size: 4096\n" +
    "server.parent_connections: 4\nserver.state: 0\nserver.total_connections: 5\nserver.uptime: 61\n";
  const table: [name: string, query: Record<string, string>, answer: string][] = [
    [
      "all",
      {},
      "baton.reloads.result.failed: 0\nbaton.reloads.result.ok: 3\n" + server +
      `baton.drain_seconds: No recorded values\nbaton.gate_seconds: ${quantiles}\n`,
    ],
    ["of a name", { filter: "^baton.*ok$" }, "baton.reloads.result.ok: 3\n"],
    ["used ones", { filter: "reloads|drain_", usedonly: "" }, "baton.reloads.result.ok: 3\n"],
    ["of a type", { type: "Counters", usedonly: "" }, "baton.reloads.result.ok: 3\n"],
    ["nothing", { type: "TextReadouts" }, ""],
    [
      "as JSON",
      { format: "json", filter: "ok$" },
      '{"stats":[{"name":"baton.reloads.result.ok","value":3}]}',
    ],
    ["a format that is none", { format: "xml" }, "usage: /stats?format=(json|prometheus|text)\n"],
    ["a type that is none", { type: "Numbers" }, "invalid &type= param"],
  ];
  for (const [name, query, answer] of table) {
    it(`answers as Envoy does when it is asked for ${name}`, () => {
      const asked = parseStatsQuery(query);
      assert.equal(typeof asked === "string" ? asked : statsAnswer(STATS, asked), answer);
    });
  }

  it("has the histograms at the end of its JSON", () => {
    const asked = parseStatsQuery({ format: "json", filter: "gate" });
    if (typeof asked === "string") throw new Error(asked);
    const { stats: [{ histograms }] } = JSON.parse(statsAnswer(STATS, asked));
    const [{ name, values }] = histograms.computed_quantiles;
    assert.equal(name, "baton.gate_seconds");
    assert.deepEqual(values[2], { cumulative: 1.5, interval: null });
    assert.equal(values.length, histograms.supported_quantiles.length);
  });

  it("filters for Prometheus by the names that it has there", () => {
    const asked = parseStatsQuery({ format: "prometheus", filter: "_total$", usedonly: "" });
    if (typeof asked === "string") throw new Error(asked);
    assert.deepEqual(usedFamilies(STATS, asked), [{
      ...STATS[0],
      points: [{ labels: { result: "ok" }, value: 3 }],
    }]);
  });
});
