/** "Did you mean": helpful for slips, silent for everything else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { suggest } from "../../../../src/config/values/suggest.ts";

describe("suggest()", () => {
  const words = ["--ready", "--ready-timeout", "--drain", "--drain-time", "--quiet", "--help"];
  const cases: [string, string | null][] = [
    ["--redy-timeout", "--ready-timeout"],
    ["--raedy", "--ready"],
    ["--hlep", "--help"],
    ["--rdya-timeotu", "--ready-timeout"],
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
    assert.equal(suggest("stpo", ["step", "stop"]), "stop", "a swap is one slip");
  });

  it("does not suggest a word that shares no letter", () => {
    assert.equal(suggest("a", ["b"]), null);
    assert.equal(suggest("abc", []), null);
  });
});
