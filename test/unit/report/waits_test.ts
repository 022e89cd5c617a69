/** How many clients had to wait, and for how long. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WaitRecord } from "../../../src/report/waits.ts";

type Look = readonly [atMs: number, unaccepted: string];

const TABLE:
  readonly (readonly [what: string, looks: readonly Look[], clients: number, longestMs: number])[] =
    [
      ["none", [[0, ""], [20, ""]], 0, 0],
      [
        "one, from the first look that saw it to the first that does not",
        [[10, "a"], [30, "a"], [50, ""]],
        1,
        40,
      ],
      ["several at a time", [[0, "a b"], [100, "b c"], [150, ""]], 3, 150],
      ["one that waits still", [[0, "a"], [500, "a"]], 1, 500],
      [
        "not one that the old generation had in its queue",
        [[0, "old a"], [20, "old"], [40, ""]],
        1,
        20,
      ],
    ];

describe("WaitRecord", () => {
  for (const [what, looks, clients, longestMs] of TABLE) {
    test(what, () => {
      const record = new WaitRecord(new Set(["old"]));
      for (const [atMs, names] of looks) {
        record.look(new Set(names.split(" ").filter((name) => name !== "")), atMs);
      }
      assert.deepEqual(record.waits, { clients, longestMs });
    });
  }
});
