/** An environment is any list of strings: none of them is lost, and the first of a name counts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  environmentStrings,
  parseEnvironment,
  withoutStale,
} from "../../../../src/platform/process/environment.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

const timeout = TEST_TIMEOUT_MS;

describe("parseEnvironment() and environmentStrings()", () => {
  const cases: readonly (readonly string[])[] = [
    [],
    ["A=1", "B=2"],
    ["A="],
    ["A==1=2"],
    ["A=x\ny", "B=\udce9", "\udce9=1"],
    ["BASH_FUNC_x%%=() { :; }"],
    ["no equals sign"],
    [""],
    ["=no name", "=a second one"],
    ["A=1", "A=2", "A=1"],
    ["=", "", "x", "x"],
    ["__proto__=1", "constructor=2", "toString=3", "__proto__=4"],
  ];
  for (const strings of cases) {
    test(`keeps ${JSON.stringify(strings)}`, { timeout }, () => {
      const env = parseEnvironment(strings);
      assert.deepEqual(environmentStrings(env), strings);
      assert.deepEqual(environmentStrings({ ...env }), strings, "copied");
      assert.deepEqual(environmentStrings(JSON.parse(JSON.stringify(env))), strings, "as JSON");
    });
  }

  test("the first of a name counts, as for getenv(3)", { timeout }, () => {
    const env = parseEnvironment(["A=1", "A=2", "=x", "B"]);
    assert.equal(env["A"], "1");
    assert.equal(env[""], "x");
    assert.equal(env["B"], undefined);
  });

  test("what is taken away is away, and what is changed is there once", { timeout }, () => {
    const given = parseEnvironment(["A=1", "A=2", "B=1", "B=2", "C=1", "C=2", "x"]);
    const env: Record<string, string> = { ...given, B: "new" };
    delete env["A"];
    assert.deepEqual(environmentStrings(env), ["B=new", "B=2", "C=1", "C=2", "x"]);
    const settled = withoutStale(env, given);
    assert.deepEqual(environmentStrings(settled), ["B=new", "C=1", "C=2", "x"]);
    const again = { ...settled, A: "new" };
    assert.deepEqual(environmentStrings(again), ["B=new", "C=1", "C=2", "x", "A=new"]);
  });
});
