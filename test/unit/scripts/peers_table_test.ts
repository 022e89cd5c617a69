/** `make bench-peers`: the table, and the pages that quote it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fillPeers, pageText, readmeText } from "../../../scripts/bench/peers/docs.ts";
import {
  lostOf,
  markdownTable,
  type PeerResult,
  peerTable,
  quotedTable,
} from "../../../scripts/bench/peers/result.ts";

const MIB = 1024 * 1024;
const RESULT: PeerResult = {
  program: "nginx",
  name: "its own reload",
  how: "kill -HUP",
  version: "nginx 1.22.1",
  reloads: 5,
  neverServed: 0,
  new: { lost: 0, of: 1_000 },
  kept: { lost: 16, of: 98_458 },
  h2: { lost: 0, of: 10 },
  bootMs: 54.4,
  servingMs: 76.2,
  oldUntilMs: 77,
  slowestMs: 120.4,
  memoryBytes: 3 * MIB,
  peakBytes: 5 * MIB,
  supervisorCpuMs: 10,
  leftovers: [],
  losses: ["reset at 5 ms: why"],
};

function rowOf(changes: Partial<PeerResult>): string[] {
  return peerTable([{ ...RESULT, ...changes }])[1] ?? [];
}

describe("peerTable()", () => {
  it("has a cell for each column", () => {
    const [header = [], row = []] = peerTable([RESULT]);
    assert.equal(row.length, header.length);
    assert.deepEqual(row, [
      "nginx: its own reload",
      "0 of 1,000",
      "16 of 98,458",
      "0 of 10",
      "76 (+22)",
      "77",
      "120",
      "3",
      "5",
      "10",
    ]);
  });

  it("says of how many reloads the new version never served", () => {
    assert.ok(rowOf({ neverServed: 2 }).includes("never, 2 of 5"));
    assert.ok(rowOf({ neverServed: 5, servingMs: NaN }).includes("never, 5 of 5"));
  });

  it("says that a server without HTTP/2 has lost none of it, by a mark of its own", () => {
    assert.equal(rowOf({ h2: null })[3], "-");
  });

  it("says where a server is its own supervisor", () => {
    assert.equal(rowOf({ supervisorCpuMs: null }).at(-1), "-");
  });

  it("says that it serves sooner than the server boots", () => {
    assert.equal(rowOf({ servingMs: 50, bootMs: 200 })[4], "50 (-150)");
  });
});

describe("lostOf()", () => {
  it("adds up the losses of all clients", () => {
    const [fresh, kept, h2] = [{ lost: 1, of: 9 }, { lost: 2, of: 9 }, { lost: 4, of: 9 }];
    assert.equal(lostOf({ ...RESULT, new: fresh, kept, h2 }), 7);
    assert.equal(lostOf({ ...RESULT, new: fresh, kept, h2: null }), 3);
  });
});

describe("the pages", () => {
  const run = {
    date: "2026-11-29",
    machine: "2 CPUs",
    load: 0.25,
    commit: "abc1234",
    results: [RESULT],
    skipped: ["pm2: npm is not installed"],
  };
  const page = "before\n<!-- generated: peers -->\nold\n<!-- end of generated -->\nafter\n";

  it("are filled in between their marks", () => {
    const filled = fillPeers(page, "new");
    const marked = "<!-- generated: peers -->\n\nnew\n\n<!-- end of generated -->";
    assert.equal(filled, `before\n${marked}\nafter\n`);
    assert.equal(fillPeers(filled, "new"), filled);
  });

  it("must have the marks", () => {
    assert.throws(() => fillPeers("no marks", "new"), /generated: peers.*is missing/);
  });

  it("name the date, the commit and the machine of the table", () => {
    for (const text of [readmeText(run), pageText(run)]) {
      for (const word of ["2026-11-29", "abc1234", "2 CPUs", "load 0.3", "5 reloads"]) {
        assert.ok(text.includes(word));
      }
    }
  });

  it("have the whole table, or what the clients saw of every row of a few programs", () => {
    const results = [
      RESULT,
      { ...RESULT, name: "baton", kept: { lost: 99, of: 100 } },
      { ...RESULT, program: "puma" },
    ];
    assert.ok(pageText({ ...run, results }).includes(markdownTable(peerTable(results))));
    const quoted = quotedTable(results);
    const seen = [
      "nginx: its own reload",
      "0 of 1,000",
      "16 of 98,458",
      "0 of 10",
      "76 (+22)",
      "120",
    ];
    assert.deepEqual(quoted.slice(1), [
      seen,
      seen.with(0, "nginx: baton").with(2, "99 of 100"),
    ]);
    assert.ok(readmeText({ ...run, results }).includes(markdownTable(quoted)));
  });

  it("have the versions, the ways, the first losses and the reasons of what is left out", () => {
    const text = pageText(run);
    for (
      const word of ["nginx 1.22.1", "kill -HUP", "reset at 5 ms: why", "npm is not installed"]
    ) {
      assert.ok(text.includes(word), word);
    }
  });
});
