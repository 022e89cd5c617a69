/** Which workers are too many, and when a generation has those that it is to have. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isComplete, surplus } from "../../../../src/generation/workers/size.ts";
import type { WorkerStatus } from "../../../../src/report/worker_status.ts";

const STATES: Record<string, WorkerStatus["state"]> = {
  s: "serving",
  n: "starting",
  d: "draining",
  t: "stopping",
  x: "exited",
  c: "exited",
  r: "starting",
};

/** A letter for each worker: serving, new, draining, sTopping, exited, crashes (exited), rising again after crashes. */
function workers(letters: string) {
  return [...letters].map((letter, number) => ({
    number,
    state: STATES[letter]!,
    isActive: "snr".includes(letter),
    isCrashing: "cr".includes(letter),
  }));
}

describe("surplus()", () => {
  const table: [letters: string, size: number, expected: number[], why: string][] = [
    ["ssss", 4, [], "none"],
    ["ssss", 2, [2, 3], "those with the highest numbers"],
    ["ssdt", 2, [], "those that leave have been asked"],
    ["ssnx", 2, [2], "one that starts, too; one that has exited needs no stop"],
    ["cs", 1, [], "the last one that serves stays while the one that is to stay crashes"],
    ["xxss", 2, [3], "one of them is enough"],
    ["ccns", 2, [2], "one that starts does not serve"],
    ["rs", 1, [], "until another one has passed its gate"],
    ["ss", 1, [1], "as it has here"],
  ];
  for (const [letters, size, expected, why] of table) {
    test(`${letters} to ${size}: ${why}`, () => {
      assert.deepEqual(surplus(workers(letters), size).map(({ number }) => number), expected);
    });
  }
});

describe("isComplete()", () => {
  const table: [letters: string, size: number, expected: boolean, why: string][] = [
    ["sss", 3, true, "all serve"],
    ["ss", 3, false, "one is missing"],
    ["ssn", 3, false, "one starts"],
    ["sss", 2, false, "one is too many"],
    ["ssd", 2, false, "it still drains"],
    ["ssx", 2, false, "it has left a queue"],
    ["sx", 2, false, "one starts at once after its first exit"],
    ["sd", 2, false, "one is replaced"],
    ["sc", 2, true, "one crashes in a loop, and may never serve"],
    ["sr", 2, true, "the same, at its next start"],
    ["cs", 1, true, "one stands in for it"],
    ["ns", 1, false, "it may leave soon"],
  ];
  for (const [letters, size, expected, why] of table) {
    test(`${letters} of ${size}: ${expected}, ${why}`, () => {
      assert.equal(isComplete(workers(letters), size, ({ isCrashing }) => isCrashing), expected);
    });
  }
});
