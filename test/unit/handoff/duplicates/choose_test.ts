/** Where duplicates of a server's sockets come from. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chooseDuplicates } from "../../../../src/handoff/duplicates/choose.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

describe("chooseDuplicates()", () => {
  const rows: [
    what: string,
    facts: [getfd: boolean, root: boolean, ptrace: boolean],
    by: string,
  ][] = [
    ["root with all rights", [true, true, true], "getfd"],
    ["a user", [true, false, false], "getfd"],
    ["root in a container: a server may become another user", [true, true, false], "socket-trap"],
    ["Docker's default profile, root", [false, true, false], "socket-trap"],
    ["Docker's default profile, a user", [false, false, false], "socket-trap"],
    ["a profile that refuses it to a process with all rights", [false, true, true], "socket-trap"],
  ];
  for (const [what, [hasGetfd, isRoot, mayTraceOthers], by] of rows) {
    test(what, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.equal(chooseDuplicates({ hasGetfd, isRoot, mayTraceOthers }), by);
    });
  }
});
