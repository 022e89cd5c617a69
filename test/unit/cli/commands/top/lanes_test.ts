/** The lanes of the generations. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  laneOf,
  type Lanes,
  NO_LANES,
  withLook,
} from "../../../../../src/cli/commands/top/lanes.ts";

/** @param looks each `epoch state` of the generations alive then */
function lanesAfter(...looks: readonly (readonly string[])[]): Lanes {
  return looks.reduce((lanes: Lanes, look) => {
    const generations = look.map((text) => {
      const [epoch, state = ""] = text.split(" ");
      return { epoch: Number(epoch), state };
    });
    return withLook(lanes, { generations });
  }, NO_LANES);
}

describe("lanes", () => {
  it("show what each generation was at each look", () => {
    const lanes = lanesAfter(
      ["0 serving"],
      ["0 serving", "1 starting"],
      ["0 serving", "1 probing"],
      ["0 serving", "1 baking"],
      ["0 draining", "1 serving"],
      ["0 stopping", "1 serving"],
      ["0 exited", "1 serving"],
    );
    assert.deepEqual([...lanes], [[0, "####=- "], [1, " .:+###"]]);
  });

  it("the newest look is at the right end, whatever the width", () => {
    const lanes = lanesAfter(["0 serving"], ["0 draining"]);
    assert.deepEqual([laneOf(lanes, 0, 4), laneOf(lanes, 0, 1)], ["  #=", "="]);
    assert.equal(laneOf(lanes, 7, 3), "   ");
  });

  it("are bounded, and drop generations that have left", () => {
    const looks = Array.from({ length: 1_000 }, (_, i) => [`${Math.floor(i / 100)} serving`]);
    const lanes = lanesAfter(...looks);
    assert.deepEqual([...lanes.keys()], [5, 6, 7, 8, 9]);
    assert.ok([...lanes.values()].every(({ length }) => length === 500));
  });
});
