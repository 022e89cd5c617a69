/** Which nodes beside a path a baton may have made. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hiddenName, isHiddenName } from "../../../../src/steering/unix/hidden_name.ts";

const CASES: [name: string, isHidden: boolean][] = [
  [hiddenName("x.sock", "12"), true],
  [hiddenName("x.sock", "q4711"), true],
  [".x.sock.lock", false],
  [".x.sock.", false],
  [".x.sock.1.bak", false],
  [".other.sock.1", false],
  ["x.sock.1", false],
];

describe("isHiddenName()", () => {
  for (const [name, isHidden] of CASES) {
    test(`${name} beside x.sock: ${isHidden}`, () => {
      assert.equal(isHiddenName(name, "x.sock"), isHidden);
    });
  }
  test("a long public name is cut", () => {
    const long = "x".repeat(100);
    assert.ok(isHiddenName(hiddenName(long, "1"), long));
  });
});
