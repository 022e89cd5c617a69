/** Where a service's files are; a directory whose path is not UTF-8 is refused by the name of what has named it. */
import { UserError } from "../../../src/config/values/errors.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runtimeDirectory } from "../../../src/admin/paths.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const timeout = TEST_TIMEOUT_MS;
const ROOT = 0;
const USER = 1000;

describe("runtimeDirectory()", () => {
  const cases: readonly [string | null, Record<string, string>, number, string][] = [
    ["/x", { RUNTIME_DIRECTORY: "/y" }, ROOT, "/x"],
    [null, { RUNTIME_DIRECTORY: "/y:/z", XDG_RUNTIME_DIR: "/x" }, USER, "/y"],
    [null, { XDG_RUNTIME_DIR: "/x" }, ROOT, "/run/baton"],
    [null, { XDG_RUNTIME_DIR: "/x" }, USER, "/x/baton"],
    [null, {}, USER, "/tmp/baton-1000"],
    [null, { XDG_RUNTIME_DIR: "/\udce9" }, ROOT, "/run/baton"],
  ];
  for (const [asked, env, uid, directory] of cases) {
    test(`${asked} and ${JSON.stringify(env)} of user ${uid}: ${directory}`, { timeout }, () => {
      assert.equal(runtimeDirectory(asked, env, uid), directory);
    });
  }

  const refused: readonly [string | null, Record<string, string>, RegExp][] = [
    ["/\udce9", {}, /^Cannot use --runtime-dir \/\udce9: the path is not UTF-8$/],
    [null, { RUNTIME_DIRECTORY: "/\udce9" }, /^Cannot use RUNTIME_DIRECTORY /],
    [null, { XDG_RUNTIME_DIR: "/\udce9" }, /^Cannot use XDG_RUNTIME_DIR /],
  ];
  for (const [asked, env, message] of refused) {
    test(`refuses ${JSON.stringify([asked, env])}`, { timeout }, () => {
      assert.throws(() => runtimeDirectory(asked, env, USER), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
