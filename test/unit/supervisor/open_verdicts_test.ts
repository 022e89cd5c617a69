/** When a verdict that was kept open is given. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OpenVerdicts } from "../../../src/supervisor/open_verdicts.ts";
import { FakeClock } from "../../support/fake_clock.ts";

describe("OpenVerdicts", () => {
  it("gives each after its time, once", async () => {
    const clock = new FakeClock();
    const verdicts = new OpenVerdicts(clock);
    const given: string[] = [];
    verdicts.giveAfter(500, () => given.push("first"));
    verdicts.giveAfter(100, () => given.push("second"));
    await clock.advance(499);
    assert.deepEqual(given, ["second"]);
    await clock.advance(1);
    verdicts.giveAll();
    assert.deepEqual(given, ["second", "first"]);
  });

  it("gives what is left at the end of baton, and keeps no timer", () => {
    const clock = new FakeClock();
    const verdicts = new OpenVerdicts(clock);
    const given: string[] = [];
    verdicts.giveAfter(500, () => given.push("first"));
    verdicts.giveAll();
    assert.deepEqual([given, clock.pending], [["first"], 0]);
  });
});
