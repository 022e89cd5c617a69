/** `make bench-envoy`: its tables, and the page that has them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frontTable, isBadFront } from "../../../scripts/bench/envoy/front/result.ts";
import {
  type EnvoyRun,
  fillPage,
  type Outcome,
  resultTable,
  withoutKilled,
} from "../../../scripts/bench/envoy/result.ts";

const LANE = { name: "new", ok: 990, lost: 0, slowestMs: 5, errors: [] };
const OUTCOME: Outcome = {
  row: "two HUPs",
  envoy: "1.40.0",
  side: "hot-restarter.py",
  lanes: [LANE, { ...LANE, name: "kept", ok: 10 }],
  killed: 0,
  note: null,
  ended: null,
  leftovers: [],
};
const SAFE = "baton hot-restarter --safe";

describe("resultTable()", () => {
  it("has both sides of a row beside each other", () => {
    const table = resultTable([OUTCOME, { ...OUTCOME, side: SAFE }]);
    assert.deepEqual(table, [
      ["", "Envoy", "hot-restarter.py", SAFE],
      ["two HUPs", "1.40.0", "0 of 1,000", "0 of 1,000"],
    ]);
  });

  it("says which clients have lost, and what else there was", () => {
    const lanes = [{ ...LANE, lost: 10 }, { ...LANE, name: "kept" }];
    const [, row] = resultTable([{ ...OUTCOME, lanes, killed: 2, note: "late", ended: 1 }]);
    const said = "new 10, 2 in the killed process, late, it ended with 1";
    assert.deepEqual(row, ["two HUPs", "1.40.0", `**10** of 1,990 (${said})`, "-"]);
  });
});

describe("withoutKilled()", () => {
  const error = (cause: string, wallMs: number) => ({ cause, detail: "", wallMs });
  const rows: readonly (readonly [string, number, killed: number])[] = [
    ["reset", 1_010, 1],
    ["short", 990, 1],
    ["refused", 1_010, 0],
    ["reset", 1_200, 0],
  ];
  for (const [cause, wallMs, killed] of rows) {
    it(`a ${cause} ${wallMs - 1_000} ms after the kill: ${killed}`, () => {
      const lanes = [{ ...LANE, lost: 1, errors: [error(cause, wallMs)] }];
      const found = withoutKilled(lanes, [1_000]);
      assert.equal(found.killed, killed);
      assert.equal(found.lanes[0]?.lost, 1 - killed);
    });
  }
});

describe("the page", () => {
  const run: EnvoyRun = {
    ...{ date: "2026-11-29", machine: "2 CPUs", load: 0.5, commit: "abc", skipped: [] },
    outcomes: [OUTCOME],
    fronts: [],
    cost: null,
  };

  it("has the table between its marks, and keeps the rest", () => {
    const page = "a\n<!-- generated: bench-envoy -->\nold\n<!-- end of generated -->\nb\n";
    const filled = fillPage(page, run);
    assert.match(
      filled,
      /^a\n.*\n\n2026-11-29, commit abc, 2 CPUs, load 0\.5.*\| two HUPs \|.*\nb\n$/s,
    );
    assert.doesNotMatch(filled, /old/);
    assert.throws(() => fillPage("a", run), /is missing/);
  });
});

describe("frontTable()", () => {
  const front = {
    app: "Go",
    plan: { alone: 5, withEnvoy: 5, envoyReloads: 4 },
    lanes: [{ ...LANE, ended: 3 }],
    ended: 0,
    slowestAloneMs: 3,
    effectAloneMs: [2, 3],
    effectMs: [4, 9.5, 6],
    envoyBytes: 70 * 1024 * 1024,
    failures: [],
  };

  it("has a line for each server", () => {
    assert.deepEqual(frontTable([front])[1], [
      ...["Go: 10 reloads, 4 of Envoy", "0 of 990", "0 in 5 reloads", "3; 5"],
      ...["2.5, 3.0; 6.0, 9.5", "70"],
    ]);
  });

  it("what a reload of the service must not do is bad", () => {
    assert.equal(isBadFront(front), false);
    assert.equal(isBadFront({ ...front, ended: 1 }), true);
    assert.equal(isBadFront({ ...front, lanes: [{ ...LANE, ended: 0, lost: 1 }] }), true);
  });
});
