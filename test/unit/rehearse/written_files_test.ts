/** Which files both copies of a server write. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  isBareNumber,
  pidIn,
  rewrittenBetween,
  type WrittenFile,
} from "../../../src/rehearse/written_files.ts";

const OLD: WrittenFile = { inode: 1, size: 5, changedMs: 100, head: "hello" };

describe("rewrittenBetween()", () => {
  const cases: readonly [string, WrittenFile | null, WrittenFile, boolean][] = [
    ["the same", OLD, OLD, false],
    ["more at its end", OLD, { ...OLD, size: 8, changedMs: 200, head: "hello, w" }, false],
    ["other bytes of the same length", OLD, { ...OLD, changedMs: 200, head: "jello" }, true],
    ["written in place, further behind", OLD, { ...OLD, changedMs: 200 }, true],
    ["another file of that name", OLD, {
      ...OLD,
      inode: 2,
      changedMs: 200,
      size: 8,
      head: "hello, w",
    }, true],
    ["shorter", OLD, { ...OLD, size: 2, changedMs: 200, head: "he" }, true],
    ["a new file", null, OLD, true],
    ["a new and empty file", null, { ...OLD, size: 0, head: "" }, false],
  ];
  for (const [what, before, after, isRewritten] of cases) {
    test(`${what}: ${isRewritten ? "rewritten" : "not rewritten"}`, () => {
      const earlier = new Map(before === null ? [] : [["/state", before]]);
      const found = rewrittenBetween(earlier, new Map([["/state", after]]));
      assert.deepEqual(found, isRewritten ? ["/state"] : []);
    });
  }
});

describe("pid files", () => {
  test("pidIn() reads the first line: PostgreSQL has more behind it", () => {
    assert.equal(pidIn({ head: "812\n/var/lib/postgresql\n", size: 25 }), 812);
    assert.equal(pidIn({ head: " 42", size: 3 }), 42);
    assert.equal(pidIn({ head: "42 is not alone", size: 15 }), null);
    assert.equal(pidIn({ head: "", size: 0 }), null);
  });

  test("isBareNumber() is true of a number alone", () => {
    assert.ok(isBareNumber({ head: "812\n" }));
    assert.ok(isBareNumber({ head: "" }));
    assert.ok(!isBareNumber({ head: "812\n/var" }));
  });
});
