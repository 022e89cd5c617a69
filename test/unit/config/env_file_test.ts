/** Lines of NAME=VALUE, as systemd's EnvironmentFile= and docker --env-file read them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseEnvFile } from "../../../src/config/env_file.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

describe("parseEnvFile()", () => {
  const cases: [string, Record<string, string>][] = [
    ["", {}],
    ["A=1", { A: "1" }],
    ["A=1\nB=2\n", { A: "1", B: "2" }],
    ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
    ["\n\n  \n\t\nA=1\n\n", { A: "1" }],
    ["# a comment\n  # another\n#A=1\nB=2", { B: "2" }],
    ["A=1 # no comment", { A: "1 # no comment" }],
    ["export A=1\nexport\tB=2", { A: "1", B: "2" }],
    ["export=1", { export: "1" }],
    ["  A=1  ", { A: "1" }],
    ["A=", { A: "" }],
    ["A= 1", { A: " 1" }],
    ["A=a=b=c", { A: "a=b=c" }],
    ["A='1 2'", { A: "1 2" }],
    ['A="1 2"', { A: "1 2" }],
    ["A=''", { A: "" }],
    ['A="it\'s"', { A: "it's" }],
    ["A='a'b'", { A: "a'b" }],
    ["A=\"1'", { A: "\"1'" }],
    ['A="', { A: '"' }],
    ['A=x"y"', { A: 'x"y"' }],
    ["A=$HOME/${B}`c`", { A: "$HOME/${B}`c`" }],
    ["A=a\\nb", { A: "a\\nb" }],
    ["A=1\nA=2", { A: "2" }],
    ["_a1=x", { _a1: "x" }],
    ["a=\u00e9\u{1f680}", { a: "\u00e9\u{1f680}" }],
    ["\ufeffA=1", { A: "1" }],
    ["A=\udce9\nB='\udcff'", { A: "\udce9", B: "\udcff" }],
    ["A=\u00a0x\u00a0\u2028\ufeff", { A: "\u00a0x\u00a0\u2028\ufeff" }],
    ["A=1\u20282", { A: "1\u20282" }],
    ["A=\r1", { A: "\r1" }],
    ["__proto__=1", Object.fromEntries([["__proto__", "1"]])],
  ];
  for (const [text, variables] of cases) {
    test(`reads ${JSON.stringify(text)}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.deepEqual(parseEnvFile(text, "env"), variables);
    });
  }

  const refused: [string, RegExp][] = [
    ["A", /^Cannot read \/etc\/env line 1: want NAME=VALUE, got "A"$/],
    ["A=1\n\nnonsense\n", /line 3: want NAME=VALUE, got "nonsense"$/],
    ["=1", /line 1: .* got "=1"$/],
    ["1A=1", /line 1: .* got "1A=1"$/],
    ["A-B=1", /line 1: .* got "A-B=1"$/],
    ["A =1", /line 1: .* got "A =1"$/],
    ["A=1\nB=\0", /line 2: it holds a NUL character$/],
    ["export", /line 1: .* got "export"$/],
    ["export A", /line 1: .* got "A"$/],
    ["[section]", /line 1: .* got "\[section\]"$/],
  ];
  for (const [text, message] of refused) {
    test(`refuses ${JSON.stringify(text)}, with the line`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.throws(() => parseEnvFile(text, "/etc/env"), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
