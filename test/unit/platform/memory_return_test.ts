import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memoryDue, MemoryReturn } from "../../../src/platform/memory_return.ts";
import { FakeClock } from "../../support/fake_clock.ts";

describe("memoryDue()", () => {
  const cases: readonly [string, number, number, ReturnType<typeof memoryDue>][] = [
    ["quiet since the one thing that happened", 0, 3_000, "all"],
    ["something has happened again: another look", 2_000, 3_000, 3_000],
    ["the looks become rare", 11_000, 12_000, 12_000],
    ["but not later than the minute", 49_000, 50_000, 10_000],
    ["busy for a minute", 59_000, 60_000, "garbage"],
    ["quiet after a long time", 50_000, 60_000, "all"],
  ];
  for (const [name, lastMs, nowMs, due] of cases) {
    test(name, () => assert.equal(memoryDue({ firstMs: 0, lastMs }, nowMs), due));
  }
});

describe("MemoryReturn", () => {
  const observed = () => {
    const clock = new FakeClock();
    const given: string[] = [];
    const memory = new MemoryReturn({ giveBackMemory: (what) => given.push(what) }, clock);
    return { clock, given, memory };
  };

  test("sets no timer before something happens, and none after it has given back", async () => {
    const { clock, given, memory } = observed();
    assert.equal(clock.pending, 0);
    for (let burst = 0; burst < 2; burst++) {
      for (let event = 0; event < 100; event++) memory.touch();
      assert.equal(clock.pending, 1, "one timer, however much happens");
      await clock.advance(60_000);
      assert.equal(clock.pending, 0);
    }
    assert.deepEqual(given, ["all", "all"]);
  });

  test("a check each second: garbage each minute, and all once they end", async () => {
    const { clock, given, memory } = observed();
    for (let second = 0; second < 200; second++) {
      memory.touch();
      await clock.advance(1_000);
    }
    assert.deepEqual(given, ["garbage", "garbage", "garbage"]);
    await clock.advance(120_000);
    assert.deepEqual(given, ["garbage", "garbage", "garbage", "all"]);
    assert.equal(clock.pending, 0);
  });
});
