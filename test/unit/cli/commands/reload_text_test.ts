/** A reload's story in one line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  lateLines,
  outputLines,
  sharedLines,
  storyLine,
  survivorLine,
} from "../../../../src/cli/commands/reload_text.ts";

const ARRIVAL = [
  { phase: "pre-flight", epoch: 3, durationMs: 31 },
  { phase: "starting", epoch: 3, durationMs: 402 },
];
const gone = { phase: "draining", epoch: 2, durationMs: 1204 };

describe("storyLine()", () => {
  it("tells of both generations, and of connections", () => {
    const connections = { finished: 12, cut: 1, undecided: 2, moved: 3 };
    assert.equal(
      storyLine({ replaced: 2, phases: [...ARRIVAL, gone], connections }),
      "pre-flight 31 ms, starting 402 ms; generation 2: draining 1204 ms; " +
        "connections: 12 finished, 1 cut, 2 undecided, 3 moved",
    );
  });

  it("tells what is known by then", () => {
    const phases = [...ARRIVAL, { ...gone, durationMs: null }];
    assert.equal(
      storyLine({ replaced: 2, phases, connections: null }),
      "pre-flight 31 ms, starting 402 ms; generation 2: draining still",
    );
    assert.equal(
      storyLine({ replaced: null, phases: ARRIVAL, connections: null }),
      "pre-flight 31 ms, starting 402 ms",
    );
  });

  it("is empty for a reload that was refused", () => {
    assert.equal(storyLine({ replaced: null, phases: [], connections: null }), "");
  });
});

describe("lateLines()", () => {
  it("names what is opened late, and who answers there meanwhile", () => {
    const at = (port: number) => `127.0.0.1:${port}`;
    const late = [
      { address: at(1), servedBy: 0, state: "waiting" },
      { address: at(2), servedBy: null, state: "waiting" },
      { address: at(3), servedBy: 0, state: "opened" },
      { address: at(4), servedBy: 0, state: "given up" },
    ] as const;
    assert.deepEqual(lateLines({ late, epoch: 1 }), [
      `${at(1)}: generation 0 answers there until generation 1 does, or --ready-timeout is over`,
      `${at(2)}: connections wait until generation 1 listens there, or --ready-timeout is over`,
      `${at(4)}: generation 1 did not open it within --ready-timeout, as the one before it had`,
    ]);
    assert.deepEqual(lateLines({ late: [], epoch: 1 }), []);
  });
});

describe("sharedLines()", () => {
  it("names each file, who has it, and what to do", () => {
    const holders = [{ epoch: 0, pid: 7, name: "db" }, { epoch: 1, pid: 9, name: "db" }];
    assert.deepEqual(sharedLines({ sharedFiles: [{ path: "/d/a", holders }] }), [
      "/d/a is written by both: generation 0 (db, pid 7) and generation 1 (db, pid 9)",
      "what one writes the other may overwrite: use --order stop-first, or --shared-files allow",
    ]);
  });

  it("is empty without one", () => assert.deepEqual(sharedLines({ sharedFiles: [] }), []));
});

describe("outputLines()", () => {
  const table: [what: string, report: Parameters<typeof outputLines>[0], lines: string[]][] = [
    ["nothing at all", { output: [], outputIsDirect: false, outputSince: [] }, [
      "it printed nothing",
    ]],
    ["all of it", { output: ["a"], outputIsDirect: false, outputSince: [] }, [
      "its last output:",
      "  a",
    ]],
    ["none of it, since it prints elsewhere", {
      output: [],
      outputIsDirect: true,
      outputSince: [],
    }, ["its output is in the output of baton"]],
    ["what it printed before it listened", {
      output: ["a"],
      outputIsDirect: true,
      outputSince: [],
    }, [
      "its last output before it listened:",
      "  a",
      "what it printed since then is in the output of baton",
    ]],
    ["and what came to the file since then", {
      output: ["a"],
      outputIsDirect: true,
      outputSince: ["b"],
    }, [
      "its last output before it listened:",
      "  a",
      "since then, its own and that of others:",
      "  b",
    ]],
    ["that alone", { output: [], outputIsDirect: true, outputSince: ["b"] }, [
      "since then, its own and that of others:",
      "  b",
    ]],
  ];
  for (const [what, report, lines] of table) {
    it(`shows ${what}`, () => assert.deepEqual(outputLines(report), lines));
  }
});

describe("survivorLine()", () => {
  const table: [serving: number | null, doubt: string | null, line: RegExp][] = [
    [0, null, /^the old generation keeps serving; nothing was lost$/],
    [0, "it has met it", /^generation 0 serves, but perhaps not as before: it has met it$/],
    [null, null, /^no generation serves: connections wait/],
    [null, "it has met it", /^no generation serves: connections wait/],
  ];
  for (const [serving, doubt, line] of table) {
    it(`serving ${serving}, doubt ${doubt}`, () =>
      assert.match(survivorLine({ serving, restored: null, doubt, phases: [] }), line));
  }

  it("claims nothing of connections that a generation on trial had", () => {
    const phases = [{ phase: "baking", epoch: 1, durationMs: 5 }];
    assert.equal(
      survivorLine({ serving: 0, restored: null, doubt: null, phases }),
      "the old generation gets all new connections again",
    );
  });
});
