/** Which members `--spread least` leaves out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { longerQueues } from "../../../../src/steering/spread/longer_queues.ts";

// [queues, places of the members that are left out]
const CASES: [string, number[], number[]][] = [
  ["nobody waits", [0, 0, 0, 0], []],
  ["one of them is busy", [0, 3, 0, 0], [1]],
  ["the first connection of a busy one counts", [0, 0, 0, 1], [3]],
  ["all have the same", [5, 5, 5, 5], []],
  ["under full load about half of them remain", [5, 7, 6, 4], [1, 2]],
  ["one that is far behind does not hide the others' differences from each other", [1, 2, 400], [
    2,
  ]],
  ["two members", [2, 1], [0]],
  ["one member always remains", [9], []],
  ["none", [], []],
];

for (const [name, lengths, left] of CASES) {
  test(`${name}: [${lengths}] without [${left}]`, () => {
    assert.deepEqual([...longerQueues(new Map(lengths.entries()))], left);
  });
}
