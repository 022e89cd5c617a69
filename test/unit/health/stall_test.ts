/** Since when a server has accepted nothing, although somebody waits. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { afterLook, type Stall } from "../../../src/health/stall.ts";

describe("afterLook()", () => {
  const table: [string, looks: [waiting: number, hasAccepted: boolean][], Stall][] = [
    ["nobody waits", [[0, false], [0, false]], null],
    ["it accepts", [[5, true], [9, true]], null],
    ["somebody waits since the first look", [[1, false], [1, false], [4, false]], 0],
    ["it has accepted one", [[1, false], [1, true], [1, false], [1, false]], 200],
    ["its queue was empty meanwhile", [[1, false], [0, false], [1, false]], 200],
    ["it accepts again", [[1, false], [1, false], [1, true]], null],
  ];
  for (const [name, looks, expected] of table) {
    it(name, () => {
      let stall: Stall = null;
      looks.forEach(([waiting, hasAccepted], i) => {
        stall = afterLook(stall, { atMs: i * 100, waiting, hasAccepted });
      });
      assert.equal(stall, expected);
    });
  }
});
