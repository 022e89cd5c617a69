/** For how long a connect(2) may come to a queue that its path no longer leads to. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lateConnectMs } from "../../../src/drain/late_connects.ts";

describe("lateConnectMs()", () => {
  const table: [what: string, runnable: number | null, expected: number][] = [
    ["an idle machine", 0.5, 20],
    ["a busy one: a turn of each", 5, 50],
    ["a part of a task is one", 5.1, 60],
    ["an overloaded one: bounded", 400, 200],
    ["unknown", null, 50],
  ];
  for (const [what, runnable, expected] of table) {
    test(what, () => assert.equal(lateConnectMs(runnable), expected));
  }
});
