/** When a generation on trial fails more requests than the one before it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  addAnswers,
  answersByEpoch,
  answersSince,
  errorVerdict,
} from "../../../src/front/answers.ts";
import type { AssignedEndpoint } from "../../../src/front/assignment.ts";

const counts = (requests: number, errors: number) => ({ requests, errors });

type Counts = readonly [requests: number, errors: number];
type Row = readonly [onTrial: Counts, serving: Counts, isBad: boolean];

// Five points more than the other are allowed.
const ROWS: readonly Row[] = [
  [[2, 2], [100, 0], false],
  // Nothing else has come.
  [[3, 3], [100, 0], true],
  [[3, 3], [0, 0], true],
  [[3, 3], [2, 2], false],
  [[5, 4], [100, 0], false],
  [[5, 5], [100, 0], true],
  [[5, 5], [0, 0], true],
  [[100, 5], [1000, 0], false],
  [[100, 6], [1000, 0], true],
  [[100, 55], [100, 50], false],
  [[100, 56], [100, 50], true],
  [[50, 50], [100, 100], false],
  [[100, 5], [0, 0], false],
];

describe("errorVerdict()", () => {
  for (const [onTrial, serving, isBad] of ROWS) {
    test(`${onTrial[1]} of ${onTrial[0]}, beside ${serving[1]} of ${serving[0]}`, () => {
      const verdict = errorVerdict(counts(...onTrial), counts(...serving));
      assert.equal(verdict !== null, isBad, verdict ?? "");
    });
  }

  test("has the figures of both", () => {
    assert.equal(
      errorVerdict(counts(10, 9), counts(200, 1)),
      "9 of 10 requests to it have failed (5xx, or no answer), and 1 of 200 to the generation " +
        "before, as Envoy counts them",
    );
  });
});

describe("answersSince()", () => {
  test("counts from the first look on", () => {
    assert.deepEqual(answersSince(counts(10, 2), counts(15, 3)), counts(5, 1));
    assert.deepEqual(answersSince(undefined, counts(15, 3)), counts(15, 3));
    assert.deepEqual(answersSince(counts(10, 2), undefined), counts(0, 0));
    assert.deepEqual(answersSince(counts(10, 2), counts(10, 2)), counts(0, 0));
    assert.deepEqual(answersSince(counts(10, 2), counts(11, 2)), counts(1, 0));
  });

  test("counts from 0 where a counter has begun again", () => {
    assert.deepEqual(answersSince(counts(10, 2), counts(4, 3)), counts(4, 3));
    assert.deepEqual(answersSince(counts(10, 2), counts(12, 1)), counts(12, 1));
  });
});

describe("answers of a generation", () => {
  const endpoint = (epoch: number, worker: number, host: string): AssignedEndpoint => ({
    epoch,
    worker,
    address: { host, port: 80 },
    isHealthy: true,
    weight: 1,
  });

  test("are those of all its workers, at all Envoys", () => {
    const endpoints = [
      endpoint(3, 0, "127.64.3.1"),
      endpoint(3, 1, "127.64.3.2"),
      endpoint(4, 0, "127.64.4.1"),
    ];
    const one = answersByEpoch(
      endpoints,
      new Map([["127.64.3.1:80", counts(7, 1)], ["127.64.3.2:80", counts(3, 2)]]),
    );
    assert.deepEqual([...one], [[3, counts(10, 3)], [4, counts(0, 0)]]);
    const other = new Map([[4, counts(5, 5)]]);
    assert.deepEqual([...addAnswers([one, other])], [[3, counts(10, 3)], [4, counts(5, 5)]]);
  });
});
