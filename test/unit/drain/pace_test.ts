/** When a drain looks again: what each look costs, and when the next one decides. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Pace } from "../../../src/drain/pace.ts";

type Moment = Parameters<Pace["next"]>[0];

const USUAL: Moment = {
  costMs: 0,
  queueIsEmpty: true,
  isDrained: false,
  isHeld: false,
  isSpreading: false,
  waitMs: null,
  untilSpreadMs: Infinity,
};

describe("Pace", () => {
  const cases: [string, Partial<Moment>, number[]][] = [
    ["grows", {}, [20, 40, 80, 160, 250, 250]],
    ["grows further when it is drained", { isDrained: true }, [20, 40, 80, 160, 320, 640, 1_000]],
    ["leaves four fifths of the time to others", { costMs: 50 }, [200, 200, 200, 200, 250]],
    ["with a queue", { queueIsEmpty: false }, [10, 10]],
    ["with a queue and a costly look", { queueIsEmpty: false, costMs: 25 }, [50, 50]],
    ["while new clients wait", { isHeld: true, queueIsEmpty: false }, [2, 2]],
    ["while new clients wait, a costly look", { isHeld: true, costMs: 25 }, [25]],
    ["held, but drained", { isHeld: true, isDrained: true }, [20]],
    ["looks when the last one is decided", { waitMs: 35 }, [20, 40, 45, 45]],
    ["also if a look costs much", { waitMs: 35, costMs: 30 }, [45, 45]],
    ["rarely, where only silence is waited for", { waitMs: 900, costMs: 10 }, [160, 160, 160, 160]],
    ["but not all the time", { waitMs: 0, costMs: 30 }, [30]],
    ["when the spread begins", { untilSpreadMs: 15 }, [15]],
    ["in the spread", { isSpreading: true, costMs: 5 }, [40]],
    ["in the spread, a costly look", { isSpreading: true, costMs: 20 }, [80]],
  ];
  for (const [name, moment, expected] of cases) {
    it(`${name}: ${expected.join(", ")} ms`, () => {
      const pace = new Pace();
      assert.deepEqual(expected.map(() => pace.next({ ...USUAL, ...moment })), expected);
    });
  }
});
