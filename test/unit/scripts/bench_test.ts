/** `make bench`: builds side by side, and what the targets say. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  comparisonTable,
  isMet,
  type KeptBuild,
  verdict,
} from "../../../scripts/bench/comparison.ts";
import { merged, parsePrevious } from "../../../scripts/bench/previous.ts";
import { type FigureName, type Row, ROWS } from "../../../scripts/bench/rows.ts";

const KEPT: KeptBuild = {
  commit: "e97f436",
  date: "2026-11-22",
  machine: "2 CPUs",
  figures: { versionMs: 27, idleWakeups: 6.5 },
};

const ISSUE_15: readonly FigureName[] = [
  "versionMs",
  "launcherMs",
  "goReloadMs",
  "shutdownOnlyExecMs",
  "idleWakeups",
  "anonymousMiB",
  "drainAfterQuietMs",
  "drainCpuSeconds",
  "drainCut",
  "statusMs",
  "keptP99Ms",
  "keptSlowestMs",
];

function row(target: Row["target"], digits = 1): Row {
  return { what: "a row", unit: "ms", digits, target };
}

describe("isMet()", () => {
  for (
    const [target, value, expected] of [
      [{ atMost: 9 }, 9, true],
      [{ atMost: 9 }, 9.04, true],
      [{ atMost: 9 }, 9.06, false],
      [{ atMost: 0 }, 0.1, false],
      [{ atLeast: 1.8 }, 1.8, true],
      [{ atLeast: 1.8 }, 1.7, false],
      [{ atMost: 9 }, undefined, null],
      [null, 9, null],
    ] as const
  ) {
    it(`says ${expected} of ${value} where it must be ${JSON.stringify(target)}`, () => {
      assert.equal(isMet(row(target), value), expected);
    });
  }
});

describe("comparisonTable()", () => {
  it("has the previous build, this one, the target and a mark", () => {
    const table = comparisonTable({ previous: KEPT, beside: null, own: { versionMs: 8.91 } });
    assert.deepEqual(table, [
      ["", "2026-11-22 (e97f436)", "this build", "target", "met"],
      ["`baton --version`, whole process", "27.0 ms", "8.9 ms", "<= 9 ms", "yes"],
    ]);
  });

  it("has the build beside it in the same run, and no previous one where there is none", () => {
    const beside = { versionMs: 27, goReloadMs: 36 };
    const table = comparisonTable({ previous: null, beside, own: { versionMs: 20 } });
    assert.deepEqual(table.map(([, ...cells]) => cells), [
      ["beside", "this build", "target", "met"],
      ["27.0 ms", "20.0 ms", "<= 9 ms", "NO"],
      ["36.0 ms", "-", "<= 8 ms", ""],
    ]);
  });
});

describe("verdict()", () => {
  it("counts what is met, and names what is not", () => {
    const text = verdict({ versionMs: 8, launcherMs: 40, idleWakeups: 0 });
    assert.equal(text, "2 of 3 targets are met; not: launcher, until it is the server");
  });
});

describe("the rows", () => {
  it("have all those of issue 15's table", () => {
    for (const name of ISSUE_15) assert.ok(ROWS[name].target !== null, name);
  });
});

describe("the previous build's file", () => {
  it("is in the repository, and can be read", () => {
    const { pathname } = new URL("../../../scripts/bench/previous.json", import.meta.url);
    const { figures } = parsePrevious(readFileSync(pathname, "utf8"), pathname);
    assert.ok(Object.values(figures).length > 0);
  });

  it("is read again as it was written", () => {
    assert.deepEqual(parsePrevious(JSON.stringify(KEPT), "previous.json"), KEPT);
  });

  it("may have figures whose row is gone", () => {
    const text = JSON.stringify({ ...KEPT, figures: { versionMs: 27, goneMs: 1 } });
    assert.deepEqual(parsePrevious(text, "previous.json").figures, { versionMs: 27 });
  });

  it("is refused with its path, what is wrong, and how to write it again", () => {
    const text = JSON.stringify({ ...KEPT, date: "yesterday" });
    assert.throws(
      () => parsePrevious(text, "/x/previous.json"),
      /\/x\/previous\.json.*date.*--keep/,
    );
  });

  it("keeps figures of the same build that were not measured this time, and none of another", () => {
    const build = { ...KEPT, figures: { versionMs: 26 } };
    assert.deepEqual(merged(KEPT, build).figures, { versionMs: 26, idleWakeups: 6.5 });
    assert.deepEqual(merged({ ...KEPT, commit: "0000000" }, build), build);
    assert.deepEqual(merged(null, build), build);
  });
});
