/** The values of --umask, --rlimit and --env. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  assignmentsOf,
  parseLimits,
  parseUmask,
} from "../../../../src/config/values/process_values.ts";

describe("parseLimits()", () => {
  const cases: [text: string, soft: number, hard: number][] = [
    ["nofile=1024", 1024, 1024],
    ["nofile=1024:4096", 1024, 4096],
    ["RLIMIT_NOFILE=1K:unlimited", 1024, Infinity],
    ["LimitNOFILE=infinity", Infinity, Infinity],
  ];
  for (const [text, soft, hard] of cases) {
    test(text, () => assert.deepEqual(parseLimits([text]), [{ name: "nofile", soft, hard }]));
  }
  const wrong: [texts: string[], message: RegExp][] = [
    [["nofiles=1"], /no limit has the name "nofiles"/],
    [["nofile"], /no limit has the name ""/],
    [["nofile=-1"], /a limit is a number/],
    [["nofile=1:"], /a limit is a number/],
    [["nofile=2:1"], /the soft limit is larger/],
    [["core=1", "core=2"], /Cannot use core twice/],
    [["as=9007199254740992"], /a limit is a number/],
  ];
  for (const [texts, message] of wrong) {
    test(`refuses ${texts}`, () => assert.throws(() => parseLimits(texts), message));
  }
});

describe("parseUmask()", () => {
  test("is octal", () => assert.equal(parseUmask("027"), 0o27));
  for (const text of ["8", "1000", "0o27", ""]) {
    test(`refuses ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseUmask(text), /must be octal/));
  }
});

describe("assignmentsOf()", () => {
  const cases: [raw: unknown, pairs: [string, string][]][] = [
    [["A=1", "B=x=y", "C="], [["A", "1"], ["B", "x=y"], ["C", ""]]],
    ["A=1", [["A", "1"]]],
    [{ A: "1", B: 2, C: true }, [["A", "1"], ["B", "2"], ["C", "true"]]],
  ];
  for (const [raw, pairs] of cases) {
    test(JSON.stringify(raw), () => assert.deepEqual(assignmentsOf(raw), pairs));
  }
  for (const raw of [["A"], ["=1"], ["1A=x"], ["A=\0"], [5], { A: [] }, { "A B": "" }]) {
    test(`refuses ${JSON.stringify(raw)}`, () =>
      assert.throws(() => assignmentsOf(raw), /^UserError/));
  }
  test("says of a table what its values may be", () => {
    const why = 'Cannot use "A": its value must be text, a number, true or false';
    assert.throws(() => assignmentsOf({ A: { B: "1" } }), { message: why });
  });
});
