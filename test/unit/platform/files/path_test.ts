/** Paths as `resolve` of node:path makes them, and with any bytes in them. */
import assert from "node:assert/strict";
import { posix } from "node:path";
import { describe, test } from "node:test";
import { atTextPath, resolvePath } from "../../../../src/platform/files/path.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

const timeout = TEST_TIMEOUT_MS;

describe("resolvePath()", () => {
  for (
    const path of [
      "x",
      "/x",
      "",
      ".",
      "..",
      "../x",
      "../../../x",
      "a/./b//c/",
      "/a/../..",
      "a/.../b",
    ]
  ) {
    for (const base of ["/", "/srv", "/srv/app/"]) {
      test(`${JSON.stringify(path)} from ${base}`, { timeout }, () => {
        assert.equal(resolvePath(base, path), posix.resolve(base, path));
      });
    }
  }

  test("keeps bytes that are not UTF-8", { timeout }, () => {
    assert.equal(resolvePath("/na\udcefve", "../caf\udce9/x"), "/caf\udce9/x");
  });
});

test("atTextPath() refuses to look where it would look somewhere else", { timeout }, () => {
  assert.equal(atTextPath("/x", (name) => name), "/x");
  assert.throws(() => atTextPath("/\udce9", () => assert.fail()), /\/\\xe9 here: it is not UTF-8$/);
});
