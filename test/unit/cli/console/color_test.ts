/** Whether output is colored. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canMoveCursor, paintFor } from "../../../../src/cli/console/color.ts";

const XTERM = { TERM: "xterm-256color" };

describe("paintFor()", () => {
  const cases: readonly [
    what: string,
    env: Record<string, string>,
    isTerminal: boolean,
    isColored: boolean,
  ][] = [
    ["a terminal gets color", XTERM, true, true],
    ["a pipe gets none", XTERM, false, false],
    ["NO_COLOR is honored", { ...XTERM, NO_COLOR: "1" }, true, false],
    ["an empty NO_COLOR means nothing", { ...XTERM, NO_COLOR: "" }, true, true],
    ["FORCE_COLOR colors a pipe", { FORCE_COLOR: "1" }, false, true],
    ["FORCE_COLOR=0 means none", { ...XTERM, FORCE_COLOR: "0" }, true, false],
    ["NO_COLOR wins over FORCE_COLOR", { NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
    ["a dumb terminal gets none", { TERM: "dumb" }, true, false],
    ["a terminal without a name gets none", {}, true, false],
  ];
  for (const [what, env, isTerminal, isColored] of cases) {
    it(what, () => {
      const painted = paintFor(env, isTerminal)("green", "serving");
      assert.equal(painted, isColored ? "\x1b[32mserving\x1b[0m" : "serving");
    });
  }
});

describe("canMoveCursor()", () => {
  it("only where the terminal has a name, other than dumb", () => {
    assert.deepEqual([XTERM, { TERM: "dumb" }, {}].map(canMoveCursor), [true, false, false]);
  });
});
