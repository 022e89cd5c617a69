/** When readers of a summary get a new look at the connections. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isLookDue } from "../../../src/report/look_pace.ts";

describe("isLookDue()", () => {
  const cases: readonly [what: string, tookMs: number, pauseMs: number][] = [
    ["a cheap look is shared for half a second", 1, 500],
    ["looks take at most a hundredth of the time", 20, 2_000],
    ["the numbers still move, however many connections there are", 900, 5_000],
  ];

  it("the first look is due", () => assert.ok(isLookDue(null, 0)));

  for (const [what, tookMs, pauseMs] of cases) {
    it(what, () => {
      const latest = { beganAtMs: 7, tookMs };
      assert.equal(isLookDue(latest, 7 + pauseMs - 1), false);
      assert.equal(isLookDue(latest, 7 + pauseMs), true);
    });
  }
});
