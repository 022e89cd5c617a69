/**
 * The promise: docs/servers.md is true. A few of its rows, those that are small and quick, one of each verdict at least;
 * `make test-servers` runs all of them.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { missing } from "../servers/install.ts";
import { faultsOf } from "../servers/judge.ts";
import { run } from "../servers/run.ts";
import { ROWS } from "../servers/table.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";

const TESTED = ROWS.filter(({ isInGate }) => isInGate);

describe("three reloads under load, of a server in its ordinary configuration", () => {
  test("there is one of each verdict", () => {
    const verdicts = new Set(TESTED.map(({ verdict }) => verdict));
    assert.deepEqual([...verdicts].sort(), ["needs", "stop-first", "works"]);
  });

  for (const row of TESTED) {
    for (const isTweaked of row.tweak === undefined ? [false] : [false, true]) {
      const outcome = row.verdict === "needs" && !isTweaked
        ? "are refused with the reason, and lose nothing"
        : "are ok, and lose nothing";
      test(
        `${row.name}${isTweaked ? ", tweaked" : ""}: they ${outcome}`,
        { skip: missing(row) ?? false, timeout: TEST_TIMEOUT_MS },
        async () => {
          const options = { isTweaked, keepsPidFile: true };
          const seen = await run(row, options);
          assert.deepEqual(faultsOf(row, seen, options), [], JSON.stringify(seen, null, 1));
          assert.ok(seen.ok > 0);
        },
      );
    }
  }
});
