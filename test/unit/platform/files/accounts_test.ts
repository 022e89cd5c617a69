/** Users and groups by name or number. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { accountId } from "../../../../src/platform/files/accounts.ts";

const TABLE = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:\n+nis\nbad:x:y:1\n";

describe("accountId()", () => {
  const cases: [name: string, id: number | null][] = [
    ["root", 0],
    ["www-data", 33],
    ["www", null],
    ["33", 33],
    ["4294967294", 0xffff_fffe],
    ["4294967295", null],
    ["bad", null],
    ["+nis", null],
    ["", null],
  ];
  for (const [name, id] of cases) {
    test(`${JSON.stringify(name)}: ${id}`, () => assert.equal(accountId("user", name, TABLE), id));
  }

  test("without the file a number is still known", () => {
    assert.deepEqual(["5", "root"].map((name) => accountId("group", name, null)), [5, null]);
  });

  test("of this machine: root", () => {
    assert.deepEqual([accountId("user", "root"), accountId("group", "root")], [0, 0]);
  });
});
