/** The screen of `baton top`, and its lines in a pipe. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SummaryReply } from "../../../../../src/admin/replies.ts";
import { frame, lineOf } from "../../../../../src/cli/commands/top/frame.ts";
import { NO_LANES, withLook } from "../../../../../src/cli/commands/top/lanes.ts";
import { columnsOf } from "../../../../../src/cli/console/text_width.ts";

const START = "2026-11-29T10:00:00.000Z";
const NOW_MS = Date.parse("2026-11-29T11:02:03.000Z");

type Generation = SummaryReply["generations"][number];

function generation(epoch: number, changes: Partial<Generation> = {}): Generation {
  return {
    epoch,
    state: "serving",
    outcome: null,
    reason: null,
    pid: 100 + epoch,
    startedAt: START,
    stateMs: 61_000,
    leftMs: null,
    percent: 100,
    workers: { serving: 1, total: 1 },
    connections: { busy: 120, idle: 900, undecided: 3 },
    queue: 0,
    drain: null,
    ...changes,
  };
}

const DRAINING = generation(3, {
  state: "draining",
  percent: 0,
  stateMs: 12_000,
  leftMs: 17_500,
  connections: { busy: 12, idle: 0, undecided: 0 },
  drain: { first: 40, left: 12 },
});

const SUMMARY: SummaryReply = {
  name: "web",
  version: "1.2.3",
  pid: 7,
  incarnation: 0,
  epoch: 4,
  order: "start-first",
  startedAt: START,
  at: START,
  restarts: { ok: 4, failed: 1, crashes: 0 },
  workers: { configured: 1, wanted: 1 },
  generations: [DRAINING, generation(4)],
  isQueued: false,
  trial: null,
  lastReload: null,
  lastWords: null,
  lookAgeMs: 0,
};

function shown(
  summary: SummaryReply,
  view: { rows?: number; columns?: number; trouble?: string } = {},
): string[] {
  const { rows = 24, columns = 80, trouble = null } = view;
  const lanes = withLook(NO_LANES, summary);
  const lines = frame({ summary, lanes, rows, columns, nowMs: NOW_MS, intervalMs: 1_000, trouble });
  return lines.map((line) => line.map(([, text]) => text).join("").trimEnd());
}

describe("frame()", () => {
  it("shows a drain at 80 columns", () => {
    assert.deepEqual(shown(SUMMARY).slice(0, 8), [
      "web: generation 4 serves, up 1h2m3s (baton 1.2.3, pid 7)",
      "reloads: 4 ok, 1 failed; crashes: 0",
      "",
      "GEN  STATE     SHARE  BUSY  IDLE  UNDEC  QUEUE   FOR  THE LAST 26 s",
      "  3  draining    0 %    12     0      0      0  12 s                           =",
      "  4  serving   100 %   120   900      3      0  61 s                           #",
      "",
      "generation 3: draining 12 of 40, 18 s left",
    ]);
  });

  it("fills the screen, with the keys and marks in its last row", () => {
    const lines = shown(SUMMARY);
    assert.equal(lines.length, 24);
    assert.equal(
      lines.at(-1),
      "q quits  , waits  . starts  : gate  + trial  # serves  = drains  - stops",
    );
  });

  for (const [rows, columns] of [[24, 80], [10, 40], [3, 20], [1, 1], [50, 200]] as const) {
    it(`fits ${columns} columns and ${rows} rows`, () => {
      const failed = {
        ...SUMMARY,
        lastWords: { epoch: 5, lines: Array.from({ length: 60 }, () => "\u65e5\u672c".repeat(99)) },
        lastReload: {
          ...LAST_RELOAD,
          result: "failed" as const,
          reason: "x".repeat(500),
        },
      };
      const lines = shown(failed, { rows, columns });
      assert.equal(lines.length, rows);
      for (const line of lines) assert.ok(columnsOf(line) <= columns, line);
    });
  }

  it("on a narrow screen leaves out what matters least", () => {
    assert.equal(
      shown(SUMMARY, { columns: 50 })[3],
      "GEN  STATE     SHARE  BUSY  QUEUE  THE LAST 15 s",
    );
    assert.equal(shown(SUMMARY, { columns: 30 })[3], "GEN  STATE     SHARE  BUSY");
  });

  it("shows the last words of a failed reload, harmless", () => {
    const lines = shown({
      ...SUMMARY,
      lastReload: { ...LAST_RELOAD, result: "failed", reason: "exit status 1" },
      lastWords: { epoch: 5, lines: ["\x1b[2Jcannot bind"] },
    });
    const at = lines.indexOf("last reload: failed in 402 ms: exit status 1");
    assert.deepEqual(lines.slice(at + 1, at + 4), [
      "  starting 402 ms",
      "last output of generation 5:",
      "  ?[2Jcannot bind",
    ]);
  });

  it("shows a trial, workers, and how generations have ended", () => {
    const summary = {
      ...SUMMARY,
      trial: { epoch: 4, phase: "canary", percent: 10, seen: null },
      generations: [
        generation(1, { state: "exited", outcome: "failed", queue: 0 }),
        generation(3, { percent: 90, workers: { serving: 3, total: 4 } }),
        generation(4, { state: "baking", percent: 10 }),
      ],
      epoch: 3,
    };
    const text = shown(summary).join("\n");
    for (
      const part of ["on trial: generation 4, 10 %, canary", "serving 3/4", "1  failed", "90 %"]
    ) {
      assert.ok(text.includes(part), part);
    }
  });

  it("says why it is not of this moment", () => {
    assert.equal(shown(SUMMARY, { trouble: "Cannot reach web" })[2], "Cannot reach web");
  });
});

const LAST_RELOAD: NonNullable<SummaryReply["lastReload"]> = {
  result: "ok",
  reason: null,
  durationMs: 402,
  epoch: 5,
  failedIn: null,
  replaced: null,
  phases: [{ phase: "starting", epoch: 5, durationMs: 402 }],
  connections: null,
  late: [],
  held: null,
  restored: null,
  sharedFiles: [],
  doubt: null,
  connectionsCut: 0,
  connectionsUndecided: 0,
  connectionsKept: null,
};

describe("lineOf()", () => {
  const at = "2026-11-29T11:02:03.000Z web: ";
  const serving = "generation 4 serving 100 %, 120 busy, 900 idle, 3 undecided, 0 queued";
  const cases: readonly [what: string, changes: Partial<SummaryReply>, line: string][] = [
    [
      "a drain",
      {},
      `${at}generation 3 draining 12 of 40, 18 s left, 12 busy, 0 idle, 0 undecided, 0 queued; ${serving}`,
    ],
    ["no generation", { generations: [generation(1, { state: "exited" })] }, `${at}no generation`],
    [
      "a reload that waits",
      { generations: [generation(4)], isQueued: true },
      `${at}${serving}; one more reload waits`,
    ],
  ];
  for (const [what, changes, line] of cases) {
    it(what, () => assert.equal(lineOf({ ...SUMMARY, ...changes }, NOW_MS), line));
  }
});
