import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MemoryReturn } from "../../../src/platform/memory_return.ts";
import { FakeClock } from "../../support/fake_clock.ts";

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
    assert.deepEqual(given, ["all", "all", "all", "all"]);
  });

  const cases: readonly [string, number[], number, string[]][] = [
    ["at once after a short time", [0], 2_999, []],
    ["what has been quiet for three seconds", [0], 3_000, ["all"]],
    ["what has been quiet only since the last thing that happened", [0, 2_000], 4_999, []],
    ["that too, a moment later", [0, 2_000], 5_000, ["all"]],
    ["once more later", [0], 15_000, ["all", "all"]],
    ["in each pause", [0, 10_000, 20_000], 24_000, ["all", "all", "all"]],
  ];
  for (const [name, atMs, untilMs, expected] of cases) {
    test(`gives back ${name}: ${expected.length > 0}`, async () => {
      const { clock, given, memory } = observed();
      for (const at of atMs) {
        await clock.advance(at - clock.now());
        memory.touch();
      }
      await clock.advance(untilMs - clock.now());
      assert.deepEqual(given, expected);
    });
  }

  test("a check each second: garbage each minute, and all once they end", async () => {
    const { clock, given, memory } = observed();
    for (let second = 0; second < 200; second++) {
      memory.touch();
      await clock.advance(1_000);
    }
    assert.deepEqual(given, ["garbage", "garbage", "garbage"]);
    await clock.advance(120_000);
    assert.deepEqual(given, ["garbage", "garbage", "garbage", "all", "all"]);
    assert.equal(clock.pending, 0);
  });
});
