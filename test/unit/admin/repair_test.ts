/** When what was removed is made again, and the lines that say so. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DIRECTORY, nextPauseMs, QUIET_MS, report, retryMs } from "../../../src/admin/repair.ts";

describe("pauses", () => {
  test("the first repairs are at once, a fight becomes ever slower", () => {
    const pauses = Array.from({ length: 30 }, (_, made) => nextPauseMs(made));
    assert.deepEqual(pauses.slice(0, 7), [0, 0, 0, 0, 0, 1_000, 2_000]);
    assert.deepEqual(pauses, pauses.toSorted((a, b) => a - b));
    assert.equal(pauses.at(-1), QUIET_MS / 2);
  });

  test("what nothing tells of is tried at most once a minute in the end", () => {
    assert.deepEqual([0, 1, 5, 6, 100].map(retryMs), [1_000, 2_000, 32_000, 60_000, 60_000]);
  });
});

describe("log lines", () => {
  const rows: [got: string, wanted: RegExp][] = [
    [
      report.restored("/r", [DIRECTORY, "lock"], 1),
      /^runtime directory \/r was removed \(lock\): recreated$/,
    ],
    [report.restored("/r", [DIRECTORY], 1), /^runtime directory \/r was removed: recreated$/],
    [report.restored("/r", ["lock", "pidfile"], 1), /^lock, pidfile removed from \/r: recreated$/],
    [report.restored("/r", ["lock"], 9), /recreated \(something keeps removing it/],
    [report.postponed("/r", ["lock"], 1_200), /again: will be recreated in 2 s$/],
    [
      report.trouble("/r", [DIRECTORY], "ENOENT"),
      /cannot be recreated: ENOENT\. The service keeps running/,
    ],
  ];
  for (const [got, wanted] of rows) test(got.slice(0, 60), () => assert.match(got, wanted));
});
