/** How far a reload, a drain or a stop is, in one line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { progressLine } from "../../../../src/cli/console/progress.ts";

const SERVING = {
  epoch: 0,
  state: "serving",
  stateMs: 90_000,
  leftMs: null,
  drain: null,
};

describe("progressLine()", () => {
  type Course = Parameters<typeof progressLine>[0];
  const cases: readonly [
    what: string,
    changes: Partial<Course["generations"][number]> | null,
    line: string,
    others?: Partial<Course>,
  ][] = [
    ["nothing is on its way", null, ""],
    [
      "a start, with what is left of the gate's time",
      { state: "starting", stateMs: 3_900, leftMs: 56_100 },
      "generation 1: starting 3 s, 57 s left",
    ],
    [
      "the gate",
      { state: "probing", stateMs: 400, leftMs: 59_001 },
      "generation 1: gate 0 s, 60 s left",
    ],
    [
      "a candidate that waits (stop-first)",
      { state: "waiting" },
      "generation 1: waits",
    ],
    [
      "a canary",
      { state: "baking", leftMs: 18_000 },
      "generation 1: canary, 10 % of the new connections, 18 s left",
      { trial: { epoch: 1, phase: "canary", percent: 10 } },
    ],
    [
      "a drain, by its connections",
      { state: "draining", drain: { first: 40, left: 12 }, leftMs: 17_400 },
      "generation 1: draining 12 of 40, 18 s left",
    ],
    [
      "a drain whose connections cannot be counted",
      { state: "draining", stateMs: 5_000 },
      "generation 1: draining 5 s",
    ],
    [
      "a stop whose time is long",
      { state: "stopping", stateMs: 61_000, leftMs: 150_000 },
      "generation 1: stopping 61 s, 2m30s left",
    ],
    ["a reload that waits", null, "one more reload waits", { isQueued: true }],
  ];
  for (const [what, changes, line, others] of cases) {
    it(what, () => {
      const candidate = { ...SERVING, epoch: 1, stateMs: null, ...changes };
      const generations = changes === null ? [SERVING] : [SERVING, candidate];
      assert.equal(progressLine({ generations, trial: null, isQueued: false, ...others }), line);
    });
  }

  it("the newest generation comes first", () => {
    const old = { ...SERVING, state: "draining", stateMs: null, drain: { first: 4, left: 1 } };
    const generations = [old, { ...SERVING, epoch: 1, state: "stopping", stateMs: null }];
    assert.equal(
      progressLine({ generations, trial: null, isQueued: false }),
      "generation 1: stopping; generation 0: draining 1 of 4",
    );
  });
});
