/** For how long requests are held: growing rounds, and pauses between attempts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HoldRounds } from "../../../src/migration/hold_rounds.ts";

/** Lengths of the rounds that begin within `forMs`. @param lookMs between two looks at all connections */
function lengths(connections: number, forMs: number, lookMs = 1, waiting = 0): number[] {
  const rounds = new HoldRounds(0, 60_000);
  const starts = new Set<number>();
  for (let atMs = 0; atMs < forMs; atMs += lookMs) {
    rounds.advance(atMs, connections, waiting);
    starts.add(rounds.startMs);
  }
  const sorted = [...starts];
  return sorted.slice(1).map((start, i) => start - sorted[i]!);
}

describe("Rounds", () => {
  test("are as long as one request of each takes, and grow to a second", () => {
    assert.deepEqual(lengths(0, 1_000), [20, 30, 45, 68, 102, 152, 228, 342]);
    assert.deepEqual(lengths(256, 6_000), [276, 414, 621, 932, 1_000, 1_000, 1_000]);
    assert.deepEqual(lengths(10_000, 3_000), [1_000, 1_000]);
  });

  test("have ten looks at least, but take three seconds at most", () => {
    assert.deepEqual(lengths(0, 1_200, 10), [100, 100, 100, 100, 110, 160, 230]);
    assert.deepEqual(lengths(0, 10_000, 500), [3_000, 3_000, 3_000]);
  });

  test("are longer where some wait for their turn, but take six seconds at most", () => {
    assert.deepEqual(lengths(256, 20_000, 500, 1), [6_000, 6_000, 6_000]);
  });

  const cases: [number, boolean][] = [
    [0, true],
    [9_999, true],
    [10_000, false],
    [19_999, false],
    [20_000, true],
    [30_000, false],
    [49_999, true],
    [50_000, true],
    [59_999, true],
    [70_000, true],
  ];
  for (const [atMs, expected] of cases) {
    test(`${atMs} ms of a drain time of 60 s: ${expected ? "held" : "left alone"}`, () => {
      assert.equal(new HoldRounds(1_000, 60_000).mayHold(1_000 + atMs), expected);
    });
  }

  test("a short drain time is one attempt", () => {
    for (const atMs of [0, 2_000, 6_000]) assert.ok(new HoldRounds(0, 10_000).mayHold(atMs));
  });
});
