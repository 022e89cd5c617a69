/** When the next generation's accept(2) is trapped: the mode, and the rate of new connections. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AUTO_RATE,
  ConnectionRate,
  shouldDeliver,
  shouldTrapAccept,
} from "../../../src/migration/connection_rate.ts";

describe("trapsAccept()", () => {
  const cases: ["auto" | "migrate" | "leave", number | null, boolean][] = [
    ["leave", 0, false],
    ["leave", null, false],
    ["migrate", 1_000_000, true],
    ["migrate", null, true],
    ["auto", 0, true],
    ["auto", AUTO_RATE, true],
    ["auto", AUTO_RATE + 1, false],
    ["auto", null, true],
  ];
  for (const [mode, rate, expected] of cases) {
    test(`${mode}, ${rate ?? "an unknown number of"} connections a second: ${expected}`, () => {
      assert.equal(shouldTrapAccept(mode, rate), expected);
    });
  }
});

describe("shouldDeliver()", () => {
  for (
    const [rate, expected] of [[null, true], [0, true], [1_000, true], [1_001, false]] as const
  ) {
    test(`${rate} connections a second: ${expected}`, () => {
      assert.equal(shouldDeliver(rate), expected);
    });
  }
});

describe("ConnectionRate", () => {
  test("is measured from one reload to the next", () => {
    let count: number | null = 100;
    let now = 0;
    const rate = new ConnectionRate(() => count, { now: () => now });
    now = 500;
    assert.equal(rate.measure(), null, "too early to tell");
    [count, now] = [600, 1_000];
    assert.equal(rate.measure(), 500);
    [count, now] = [10_600, 1_100];
    assert.equal(rate.measure(), 500, "the last one that is known");
    [count, now] = [1_600, 3_000];
    assert.equal(rate.measure(), 500);
    [count, now] = [null, 5_000];
    assert.equal(rate.measure(), null);
    [count, now] = [7_000, 7_000];
    assert.equal(rate.measure(), null, "the start is unknown");
    [count, now] = [7_000, 9_000];
    assert.equal(rate.measure(), 0);
  });
});
