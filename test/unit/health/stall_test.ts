/** Since when a server has accepted nothing, although somebody waits. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nextStall, type Stall } from "../../../src/health/stall.ts";

/** Who waits, a letter each, in capitals at another server, and whether a new connection was seen in its processes. */
type Look = [unaccepted: string, hasAccepted: boolean];

describe("afterLook()", () => {
  const table: [string, looks: Look[], sinceMs: number | null][] = [
    ["none waits", [["", false], ["", false]], null],
    ["it accepts", [["abcde", true], ["cdefg", true]], null],
    ["somebody waits since the first look", [["a", false], ["a", false], ["abcd", false]], 0],
    ["it has accepted one", [["a", false], ["b", true], ["b", false], ["b", false]], 200],
    ["its queue was empty meanwhile", [["a", false], ["", false], ["b", false]], 200],
    ["it accepts again", [["a", false], ["a", false], ["a", true]], null],
    ["it accepts and answers between the looks", [["a", false], ["b", false], ["c", false]], 200],
    [
      "it has accepted all who waited, and stops",
      [["ab", false], ["cd", false], ["cd", false]],
      100,
    ],
    ["it has accepted some, and one waits since", [["ab", false], ["bc", false], ["bd", false]], 0],
    ["another one hangs, and it does not", [["aXY", false], ["bXY", false], ["cXYZ", false]], 200],
    ["another one hangs too", [["aXY", false], ["aXY", false], ["abXYZ", false]], 0],
    ["another one is busy", [["aX", false], ["aY", false], ["a", false], ["aVWX", false]], 100],
    ["who came later has gone", [["ab", false], ["abc", false], ["a", false], ["c", false]], 300],
  ];
  for (const [name, looks, expected] of table) {
    it(name, () => {
      let stall: Stall = null;
      looks.forEach(([who, hasAccepted], i) => {
        const unaccepted = new Set(who);
        stall = nextStall(stall, {
          atMs: i * 100,
          waiting: who.replace(/[A-Z]/g, "").length,
          elsewhere: who.replace(/[a-z]/g, "").length,
          unaccepted,
          hasAccepted,
        });
      });
      assert.equal((stall as Stall)?.sinceMs ?? null, expected);
    });
  }
});
