/** The share of each generation in the new connections. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sharesOf } from "../../../src/report/summary.ts";

describe("sharesOf()", () => {
  const cases: readonly [
    what: string,
    serving: number | null,
    trial: { epoch: number; percent: number } | null,
    shares: readonly [number, number][],
  ][] = [
    ["the serving generation gets all", 4, null, [[4, 100]]],
    ["a generation on trial gets its part of them", 4, { epoch: 5, percent: 10 }, [[4, 90], [
      5,
      10,
    ]]],
    ["while none serves, nobody gets any", null, null, []],
  ];
  for (const [what, serving, trial, shares] of cases) {
    it(what, () => assert.deepEqual([...sharesOf(serving, trial)], shares));
  }
});
