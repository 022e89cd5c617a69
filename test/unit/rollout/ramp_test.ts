/** The time of a ramp: shares grow in steps to 100 percent, and stop when it ends. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Ramp } from "../../../src/rollout/ramp.ts";
import { FakeClock } from "../../support/fake_clock.ts";

describe("Ramp", () => {
  const table: [what: string, percent: number, durationMs: number, shares: number[]][] = [
    ["in steps of a percent of its time, at least 50 ms", 0, 200, [25, 50, 75, 100]],
    ["from the first share", 50, 200, [62.5, 75, 87.5, 100]],
    ["in hundredths of a percent", 0, 150, [33.33, 66.66, 100]],
    ["in one step when it is shorter than that", 10, 20, [100]],
  ];
  for (const [what, percent, durationMs, expected] of table) {
    test(`grows ${what}`, async () => {
      const clock = new FakeClock();
      const shares: number[] = [];
      new Ramp(clock).begin({ percent, durationMs }, (share) => shares.push(share));
      await clock.advance(10 * durationMs);
      assert.deepEqual(shares, expected);
      assert.equal(clock.pending, 0);
    });
  }

  test("a long one has a hundred steps", async () => {
    const clock = new FakeClock();
    let steps = 0;
    new Ramp(clock).begin({ percent: 0, durationMs: 600_000 }, () => steps++);
    await clock.advance(600_000);
    assert.ok(steps >= 100 && steps <= 101, `${steps} steps`);
  });

  test("may be ended by what it reports", async () => {
    const clock = new FakeClock();
    const ramp = new Ramp(clock);
    const shares: number[] = [];
    ramp.begin({ percent: 0, durationMs: 200 }, (share) => {
      shares.push(share);
      if (share >= 50) ramp.end();
    });
    await clock.advance(1_000);
    assert.deepEqual(shares, [25, 50]);
  });

  test("a second one replaces the first", async () => {
    const clock = new FakeClock();
    const ramp = new Ramp(clock);
    const shares: string[] = [];
    ramp.begin({ percent: 0, durationMs: 200 }, (share) => shares.push(`first ${share}`));
    await clock.advance(60);
    ramp.begin({ percent: 50, durationMs: 100 }, (share) => shares.push(`second ${share}`));
    await clock.advance(1_000);
    assert.deepEqual(shares, ["first 25", "second 75", "second 100"]);
  });
});
