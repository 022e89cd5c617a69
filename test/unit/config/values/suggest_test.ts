/** "Did you mean": helpful for slips, silent for everything else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { editDistance, suggest } from "../../../../src/config/values/suggest.ts";

describe("editDistance()", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["abc", "abc", 0],
    ["abc", "abd", 1],
    ["abc", "ab", 1],
    ["ab", "ba", 1],
    ["kitten", "sitting", 3],
    ["redy-timeout", "ready-timeout", 1],
    ["ca", "abc", 3],
  ];
  for (const [a, b, distance] of cases) {
    it(`counts ${distance} from "${a}" to "${b}", both ways`, () => {
      assert.equal(editDistance(a, b), distance);
      assert.equal(editDistance(b, a), distance);
    });
  }
});

describe("suggest()", () => {
  const words = ["--ready", "--ready-timeout", "--drain", "--drain-time", "--quiet", "--help"];
  const cases: [string, string | null][] = [
    ["--redy-timeout", "--ready-timeout"],
    ["--raedy", "--ready"],
    ["--READY", "--ready"],
    ["--draintime", "--drain-time"],
    ["--quite", "--quiet"],
    ["--ready_timeout", "--ready-timeout"],
    ["--ready-t", "--ready"],
    ["--dr", "--drain"],
    ["--port", null],
    ["-x", null],
    ["", null],
    ["--".padEnd(100, "x"), null],
  ];
  for (const [word, expected] of cases) {
    it(`answers ${expected ?? "nothing"} for "${word.slice(0, 20)}"`, () => {
      assert.equal(suggest(word, words), expected);
    });
  }

  it("prefers the nearest candidate, and the first of equally near ones", () => {
    assert.equal(suggest("stap", ["step", "stop"]), "step");
    assert.equal(suggest("stopp", ["step", "stop"]), "stop");
  });

  it("does not suggest a word that shares no letter", () => {
    assert.equal(suggest("a", ["b"]), null);
    assert.equal(suggest("abc", []), null);
  });
});
