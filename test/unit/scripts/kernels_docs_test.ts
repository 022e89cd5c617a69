/** docs/kernels.md has the table of `make test-kernels`, and the kernels that the sources name. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { SINCE } from "../../../src/platform/kernel.ts";
import type { Result } from "../../kernels/boot.ts";
import { faultsOf } from "../../kernels/judge.ts";
import { MACHINES, type Step, storyOf } from "../../kernels/machine.ts";
import { COLUMNS, rowsOf, tableOf, withTable } from "../../kernels/render.ts";
import { REPOSITORY } from "../../support/programs.ts";

const PAGE = readFileSync(join(REPOSITORY, "docs/kernels.md"), "utf8");
const MACHINE = MACHINES[0]!;
const RELEASE = { id: "kernel", release: "6.1.0-50" };

/** What a machine reports in which everything is as it should be. */
function resultOf(step: Step): Result {
  const { id, reloads = 0 } = step;
  const works = id === "doctor without modprobe" ? "nothing" : "everything";
  const servers = step.do === "survive" ? 2 * reloads + 1 : reloads + 1;
  return {
    id,
    doctor: { works, capabilities: [{ id: "yama", ok: false }] },
    ok: 9,
    lost: 0,
    servers,
    moved: 4,
  };
}

function results(change: Record<string, Partial<Result>> = {}): Result[] {
  const steps = storyOf(MACHINE).map(resultOf);
  return [RELEASE, ...steps, { id: "end" }].map((each) => ({ ...each, ...change[each.id] }));
}

describe("docs/kernels.md", () => {
  it("has the table of all machines, dated, without a lost request", () => {
    const [, date, table = ""] = /\nOf (\d{4}-\d\d-\d\d):\n\n((?:\|.*\n)+)/.exec(PAGE) ?? [];
    assert.ok(date);
    const [header, , ...rows] = table.trim().split("\n").map((row) => row.split(" | "));
    assert.equal(header?.join(" | "), `| ${COLUMNS.join(" | ")} |`);
    const expected = MACHINES.flatMap(({ title, libcs }) => libcs.map((libc) => ({ title, libc })));
    assert.equal(rows.length, expected.length);
    rows.forEach(([title, , where, ...cells], i) => {
      assert.equal(title, `| ${expected[i]!.title}`);
      assert.match(where ?? "", new RegExp(`${expected[i]!.libc}$`));
      const tallies = cells.join().matchAll(/(\d+) of \d+ lost/g);
      for (const [, lost] of tallies) assert.equal(lost, "0");
      assert.doesNotMatch(cells.join(), /\?/);
    });
  });

  it("names each kernel that the sources name", () => {
    for (const since of Object.values(SINCE)) assert.ok(PAGE.includes(`\n| ${since} | `), since);
  });

  it("gets a new table between its two marks", () => {
    const table = tableOf(
      [{ machine: MACHINE, boot: { results: results(), seconds: 1, log: "" } }],
      "x",
    );
    assert.ok(withTable(PAGE, table).includes(table));
    assert.throws(() => withTable("# Kernels", table), /the page lacks/);
  });
});

describe("a machine is not as expected when", () => {
  const cases: [why: string, change: Record<string, Partial<Result>>, fault: RegExp][] = [
    ["a request is lost", { root: { lost: 1, failures: { reset: 1 } } }, /root: 1 lost: .*reset/],
    ["a reload failed", { user: { error: "reload: status 70" } }, /user: reload: status 70/],
    ["a generation got nothing", { root: { servers: 3 } }, /root: 3 servers/],
    ["doctor refuses", { doctor: { doctor: { works: "inherit" } } }, /doctor says inherit/],
    [
      "doctor has no word of Yama",
      { "yama 1 doctor": { doctor: { works: "everything", capabilities: [] } } },
      /no word of Yama/,
    ],
    [
      "doctor sees no trouble where there is",
      { "doctor without modprobe": { doctor: { works: "everything" } } },
      /doctor says everything/,
    ],
    ["no connection moves", { "keep-alive": { moved: 0 } }, /no connection has moved/],
    ["a step is missing", { root: { id: "other" } }, /root: nothing was reported/],
    ["the machine hung", { end: { id: "other" } }, /has not come to its end/],
  ];
  it("something is, and else not", () => {
    assert.deepEqual(faultsOf(MACHINE, results()), []);
  });
  for (const [why, change, fault] of cases) {
    it(why, () => {
      const faults = faultsOf(MACHINE, results(change));
      assert.equal(faults.length, 1, faults.join());
      assert.match(faults[0] ?? "", fault);
    });
  }

  it("but connections stay where they are before Linux 5.14", () => {
    const old = { kernel: { release: "5.10.0-32" }, "keep-alive": { moved: 0, servers: 1 } };
    assert.deepEqual(faultsOf(MACHINE, results(old)), []);
  });
});

describe("the rows of a machine", () => {
  it("have a cell for each column", () => {
    for (const machine of MACHINES) {
      const rows = rowsOf({ machine, boot: { results: results(), seconds: 1, log: "" } });
      assert.deepEqual(rows.map((row) => row.length), machine.libcs.map(() => COLUMNS.length));
    }
  });
});
