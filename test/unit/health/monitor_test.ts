/** The state machine of a health check, against Envoy's rules: sequences of results as tables. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  describe as describeHealth,
  failure,
  firstDelay,
  type Health,
  nextDelay,
  observe,
  skipped,
  success,
  TRUSTED,
  UNKNOWN,
  wrongAnswer,
} from "../../../src/health/monitor.ts";

const RESULTS = {
  ok: success("status 200"),
  /** No connection, a reset, a time-out, a retriable status. */
  net: failure("no answer"),
  bad: wrongAnswer("status 500"),
  /** Baton's own trouble. */
  own: skipped("no descriptor"),
} as const;
type Word = keyof typeof RESULTS;

/** Results in order, and whether it is healthy after each: "+" or "-". */
interface Case {
  readonly name: string;
  readonly from: Health;
  readonly healthyThreshold?: number;
  readonly unhealthyThreshold?: number;
  readonly results: readonly Word[];
  readonly states: string;
}

const CASES: readonly Case[] = [
  {
    name: "the very first result is enough, whatever the threshold",
    from: UNKNOWN,
    healthyThreshold: 3,
    results: ["ok"],
    states: "+",
  },
  {
    name: "after a first failure the threshold counts",
    from: UNKNOWN,
    healthyThreshold: 3,
    results: ["bad", "ok", "ok", "ok"],
    states: "---+",
  },
  {
    name: "a first failure of the network counts as a first result too",
    from: UNKNOWN,
    healthyThreshold: 2,
    results: ["net", "ok", "ok"],
    states: "--+",
  },
  {
    name: "successes that make it healthy are in a row",
    from: UNKNOWN,
    healthyThreshold: 2,
    results: ["bad", "ok", "net", "ok", "ok"],
    states: "----+",
  },
  {
    name: "a threshold of one: the first success",
    from: UNKNOWN,
    results: ["bad", "bad", "ok"],
    states: "--+",
  },
  {
    name: "a wrong answer makes it unhealthy at once",
    from: TRUSTED,
    results: ["bad"],
    states: "-",
  },
  {
    name: "failures of the network are counted",
    from: TRUSTED,
    results: ["net", "net", "net"],
    states: "++-",
  },
  {
    name: "a success restarts the count",
    from: TRUSTED,
    results: ["net", "net", "ok", "net", "net", "net"],
    states: "+++++-",
  },
  {
    name: "a wrong answer does not wait for the count",
    from: TRUSTED,
    results: ["net", "bad"],
    states: "+-",
  },
  {
    name: "a threshold of one for failures",
    from: TRUSTED,
    unhealthyThreshold: 1,
    results: ["net"],
    states: "-",
  },
  {
    name: "there and back, with both thresholds",
    from: UNKNOWN,
    healthyThreshold: 2,
    unhealthyThreshold: 2,
    results: ["ok", "net", "net", "ok", "ok", "net", "ok"],
    states: "++--+++",
  },
  {
    name: "one that was trusted gets no free first result",
    from: TRUSTED,
    healthyThreshold: 2,
    results: ["bad", "ok", "ok"],
    states: "--+",
  },
  {
    name: "what could not be checked is no failure",
    from: TRUSTED,
    unhealthyThreshold: 1,
    results: ["own", "own", "own"],
    states: "+++",
  },
  {
    name: "or a success",
    from: TRUSTED,
    results: ["bad", "own", "own"],
    states: "---",
  },
  {
    name: "or a first result",
    from: UNKNOWN,
    healthyThreshold: 2,
    results: ["own", "ok"],
    states: "-+",
  },
  {
    name: "and it restarts no count",
    from: TRUSTED,
    results: ["net", "own", "net", "own", "net"],
    states: "++++-",
  },
];

describe("observe()", () => {
  for (const { name, from, results, states, ...thresholds } of CASES) {
    test(name, () => {
      const limits = { healthyThreshold: 1, unhealthyThreshold: 3, ...thresholds };
      let health = from;
      const seen = results.map((word) => {
        health = observe(health, RESULTS[word], limits);
        return health.healthy ? "+" : "-";
      });
      assert.equal(seen.join(""), states);
    });
  }

  test("counts all results, and remembers the last one", () => {
    const limits = { healthyThreshold: 1, unhealthyThreshold: 3 };
    const words: Word[] = ["bad", "net", "ok", "bad"];
    const health = words.reduce((h, word) => observe(h, RESULTS[word], limits), UNKNOWN);
    assert.deepEqual([health.successes, health.failures], [1, 3]);
    assert.equal(describeHealth(health), "status 500 (3 of 4 failed)");
    assert.equal(describeHealth(UNKNOWN), "no result yet");
    const skippedOne = observe(health, RESULTS.own, limits);
    assert.deepEqual(skippedOne, { ...health, skippedReason: "no descriptor" });
    const text = "could not be checked: no descriptor";
    assert.equal(describeHealth(skippedOne), `${text} (3 of 4 failed)`);
    assert.equal(describeHealth(observe(UNKNOWN, RESULTS.own, limits)), text);
    assert.equal(observe(skippedOne, RESULTS.ok, limits).skippedReason, null);
  });
});

describe("the schedule", () => {
  const schedule = { intervalMs: 1000, edgeIntervalMs: 200, jitterMs: 100, initialJitterMs: 50 };
  const limits = { healthyThreshold: 2, unhealthyThreshold: 2 };
  const steady = observe(TRUSTED, RESULTS.ok, limits);
  const pending = observe(TRUSTED, RESULTS.net, limits);
  const changed = observe(pending, RESULTS.net, limits);
  const rising = observe(changed, RESULTS.ok, limits);

  const delays: [string, Health, number, number][] = [
    ["without a pending change: the interval", steady, 0, 1000],
    ["jitter is added by chance", steady, 0.5, 1050],
    ["and is less than its limit", steady, 0.999, 1099],
    ["the first failure of a healthy one: the edge interval", pending, 0, 200],
    ["jitter is added to that too", pending, 0.5, 250],
    ["after the change: the interval", changed, 0, 1000],
    ["the first success of an unhealthy one: the edge interval", rising, 0, 200],
  ];
  for (const [name, health, chance, expected] of delays) {
    test(name, () => assert.equal(nextDelay(health, schedule, chance), expected));
  }

  test("a pause is never zero", () => {
    const none = { intervalMs: 0, edgeIntervalMs: 0, jitterMs: 0, initialJitterMs: 0 };
    assert.equal(nextDelay(steady, none, 0), 1);
  });

  test("initial jitter is all that the first check waits", () => {
    assert.equal(firstDelay(schedule, 0), 0);
    assert.equal(firstDelay(schedule, 0.5), 25);
  });
});
