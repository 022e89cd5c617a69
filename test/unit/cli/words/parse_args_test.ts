/** The documented behavior of `parseArgs` of @std/cli, which this module stands in for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseArgs, type ParseOptions } from "@std/cli/parse-args";

type Case = readonly [line: string, options: ParseOptions, result: Record<string, unknown>];

const CASES: Readonly<Record<string, readonly Case[]>> = {
  "words without options": [
    ["", {}, { _: [] }],
    ["--foo --bar=baz ./quux.txt", {}, { foo: true, bar: "baz", _: ["./quux.txt"] }],
    ["--a b --c=d=e --f=", {}, { a: "b", c: "d=e", f: "", _: [] }],
    ["-a -b c -d5 -n=6 -p/x -xyz", {}, {
      a: true,
      b: "c",
      d: 5,
      n: 6,
      p: "/x",
      x: true,
      y: true,
      z: true,
      _: [],
    }],
    ["-n- - -m -", {}, { n: "-", m: "-", _: ["-"] }],
    ["--n 5 --m=0x10 --o 1e3 7 x7 --p=5x", {}, { n: 5, m: 16, o: 1000, p: "5x", _: [7, "x7"] }],
    ["--a.b 1 --a.c.d x", {}, { a: { b: 1, c: { d: "x" } }, _: [] }],
    ["--foo true --bar false", {}, { foo: "true", bar: "false", _: [] }],
    ["--x 1 --x 2", {}, { x: 2, _: [] }],
    ["--no-x", {}, { "no-x": true, _: [] }],
  ],
  boolean: [
    ["--a b", { boolean: "a" }, { a: true, _: ["b"] }],
    ["--a=false -c", { boolean: ["a", "b", "c"] }, { a: false, b: false, c: true, _: [] }],
    ["--a true --b false c", { boolean: ["a", "b"] }, { a: true, b: false, _: ["c"] }],
    ["moo --honk cow -p 5", { boolean: true }, { honk: true, p: 5, _: ["moo", "cow"] }],
  ],
  string: [
    ["--n 5 --m=6 -o 7 8", { string: ["n", "m", "o"] }, { n: "5", m: "6", o: "7", _: [8] }],
    ["--n", { string: "n" }, { n: "", _: [] }],
    ["--n --m", { string: ["n"] }, { n: "", m: true, _: [] }],
    ["5 6", { string: ["_"] }, { _: ["5", "6"] }],
  ],
  collect: [
    ["--a 1 --a=2 --b 3 --b 4", { collect: "a" }, { a: [1, 2], b: 4, _: [] }],
    ["--s 1 --s 2", { collect: ["s"], string: ["s"] }, { s: ["1", "2"], _: [] }],
    ["", { collect: ["s", "b"], string: ["s"], boolean: ["b"] }, { s: [], b: [], _: [] }],
    ["-v -v", { collect: ["v"], boolean: ["v"] }, { v: [true, true], _: [] }],
  ],
  default: [
    ["", { default: { a: 1, "b.c": "x" } }, { a: 1, b: { c: "x" }, _: [] }],
    ["--a 2", { default: { a: 1 }, alias: { a: "x" } }, { a: 2, x: 2, _: [] }],
    ["", { default: { a: true }, boolean: ["a"] }, { a: true, _: [] }],
  ],
  alias: [
    ["-h --file x", { alias: { help: "h", f: ["file", "path"] } }, {
      h: true,
      help: true,
      f: "x",
      file: "x",
      path: "x",
      _: [],
    }],
    ["-q x", { alias: { quiet: "q" }, boolean: ["quiet"] }, { q: true, quiet: true, _: ["x"] }],
    ["-n 1 --name 2", { alias: { name: "n" }, string: "name", collect: "n" }, {
      n: ["1", "2"],
      name: ["1", "2"],
      _: [],
    }],
  ],
  negatable: [
    ["--no-color x", { boolean: "color", negatable: "color" }, { color: false, _: ["x"] }],
    ["--no-c --no-d", { negatable: ["c"] }, { c: false, "no-d": true, _: [] }],
  ],
  "the double dash": [
    ["--a b -- --c d 5", {}, { a: "b", _: ["--c", "d", "5"] }],
    ["--a -- --c", { "--": true }, { a: true, _: [], "--": ["--c"] }],
    ["x", { "--": true }, { _: ["x"], "--": [] }],
  ],
  stopEarly: [
    ["--a b c --d -e", { stopEarly: true }, { a: "b", _: ["c", "--d", "-e"] }],
    ["-- c --d", { stopEarly: true }, { _: ["c", "--d"] }],
  ],
};

describe("parseArgs()", () => {
  for (const [topic, cases] of Object.entries(CASES)) {
    for (const [line, options, result] of cases) {
      it(`${topic}: ${line} ${JSON.stringify(options)}`, () => {
        assert.deepEqual(parseArgs(line === "" ? [] : line.split(" "), options), result);
      });
    }
  }

  it("calls `unknown` for each undeclared word, and leaves out what it refuses", () => {
    const calls: unknown[][] = [];
    const unknown = (...call: unknown[]) => {
      calls.push(call);
      return call[0] !== "x" && call[1] !== "b";
    };
    const args = ["--a", "1", "--b=2", "-c", "x", "y"];
    assert.deepEqual(parseArgs(args, { string: "a", boolean: "c", unknown }), {
      a: "1",
      c: true,
      _: ["y"],
    });
    assert.deepEqual(calls, [["--b=2", "b", "2"], ["x"], ["y"]]);
  });

  it("never reaches a prototype", () => {
    parseArgs(["--__proto__.polluted", "1", "--constructor.prototype.polluted", "1"]);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });
});
