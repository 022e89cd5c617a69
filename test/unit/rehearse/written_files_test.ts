/** Which files both copies of a server write. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pidIn, rewrittenByBoth, type WrittenFile } from "../../../src/rehearse/written_files.ts";

const OLD: WrittenFile = { inode: 1, size: 5, changedMs: 100, head: "hello" };

/** Written once more: by the copy that ends last. */
const LAST: WrittenFile = { inode: 9, size: 4, changedMs: 900, head: "last" };

function rewritten(path: string, before: WrittenFile | null, between: WrittenFile, after = LAST) {
  const one = (file: WrittenFile | null) => new Map(file === null ? [] : [[path, file]]);
  return rewrittenByBoth([one(before), one(between), one(after)], ["/run/known"]);
}

describe("rewrittenByBoth()", () => {
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
      assert.deepEqual(rewritten("/state", before, after), isRewritten ? ["/state"] : []);
    });
  }

  const NEW = { ...OLD, inode: 2, changedMs: 200 };
  const names: readonly [path: string, after: WrittenFile, isRewritten: boolean][] = [
    ["/srv/state", LAST, true],
    ["/srv/state", NEW, false],
    ["/srv/count", { ...LAST, head: "812\n" }, false],
    ["/srv/app.log.1", LAST, false],
    ["/run/known", LAST, false],
    ["/tmp/v8-compile-cache-0/11.3/yarn.js.BLOB", LAST, false],
    ["/srv/tmp/cache/bootsnap/load-path-cache", LAST, false],
  ];
  for (const [path, after, isRewritten] of names) {
    test(`${path}, at last ${JSON.stringify(after.head)}: ${isRewritten}`, () => {
      assert.deepEqual(rewritten(path, OLD, NEW, after), isRewritten ? [path] : []);
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
});
