/** The state of a connection between its requests: conversations, and what is decided at each sample. */
import type { Sample } from "../../../src/migration/sample.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConnectionState, Phase } from "../../../src/migration/connection_state.ts";
import { decideMove, type MoveDecision } from "../../../src/migration/move_decision.ts";
import { QUIET_MS } from "./simulated_connection.ts";
import { type Part, play, PROVEN, SLIPPED } from "../../support/played_connection.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const HELD: readonly Part[] = [...PROVEN, ["send", GET], ["sample", "boundary proven"]];

describe("a connection that clients keep open", () => {
  const cases: [string, readonly Part[]][] = [
    ["is at a boundary with the request after one that was followed", HELD],
    ["must be seen with a request even if it was idle", [
      ["sample", "idle pause"],
      ["send", GET],
      ["sample", "released resume"],
    ]],
    ["with an unread request at the first sample may owe an earlier answer", [
      ["send", GET],
      ["sample", "answer_owed pause"],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["answer"],
      ["sample", "idle proven"],
    ]],
    ["whose answer is on its way at the first sample", [
      ["send", GET],
      ["take"],
      ["sample", "answer_owed pause"],
      ["answer"],
      ["sample", "idle"],
      ["send", GET],
      ["sample", "released resume"],
    ]],
    ["is released at once", [["sample", "idle pause"], ["send", GET], ["full", "released resume"]]],
    ["that has slipped waits for its release, and nothing is lost meanwhile", [
      ...SLIPPED,
      ["full", "queued"],
      ["full", "queued"],
      ["sample", "released resume"],
    ]],
    ["that waits for its release and is read anyway", [
      ...SLIPPED,
      ["full", "queued"],
      ["take"],
      ["full", "answer_owed pause"],
      ["answer"],
      ["full", "idle"],
    ]],
    ["that was read, answered and asked again between two samples: once more", [
      ["sample", "idle pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["answer"],
      ["send", GET],
      ["sample", "answer_owed pause"],
      ["sample", "released resume"],
    ]],
    ["whose answer and next request come between two samples, twice: that is proof too", [
      ["sample", "idle pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["answer"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["answer"],
      ["send", GET],
      ["sample", "released proven resume"],
      ["take"],
      ["sample", "answer_owed proven pause"],
      ["answer"],
      ["send", GET],
      ["sample", "boundary proven"],
    ]],
    ["the same, proven: a boundary", [
      ...HELD,
      ["later", 20],
      ["sample", "released proven resume"],
      ["take"],
      ["answer"],
      ["send", GET],
      ["sample", "boundary proven pause"],
    ]],
    ["the same, after more than one request: once more", [
      ...HELD,
      ["later", 20],
      ["sample", "released proven resume"],
      ["take"],
      ["answer"],
      ["send", GET],
      ["take"],
      ["answer"],
      ["send", GET],
      ["sample", "answer_owed proven pause"],
      ["sample", "released proven resume"],
    ]],
    ["is held until the end of the round, and no longer", [
      ...HELD,
      ["later", 19],
      ["sample", "boundary proven"],
      ["later", 1],
      ["full", "released proven resume"],
      ["take"],
      ["sample", "answer_owed proven pause"],
      ["answer"],
      ["sample", "idle proven"],
    ]],
    ["that is held and read anyway owes an answer", [
      ...HELD,
      ["take"],
      ["sample", "answer_owed proven pause"],
      ["answer"],
      ["sample", "idle proven"],
      // Where the request that it has read ended is unknown.
      ["send", GET],
      ["sample", "released proven resume"],
    ]],
    ["is answered only when the client has the answer", [
      ["sample", "idle pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["under-way"],
      ["sample", "answer_owed proven pause"],
      ["acknowledge"],
      ["sample", "idle proven"],
    ]],
  ];
  for (const [name, parts] of cases) test(name, () => void play(parts));
});

describe("a connection that stays", () => {
  const cases: [string, readonly Part[]][] = [
    ["two requests at once", [["sample", "idle pause"], ["send", GET + GET], [
      "sample",
      "unmovable resume",
    ]]],
    ["the next request before the answer", [
      ["sample", "idle pause"],
      ["send", GET],
      ["sample", "released resume"],
      ["take"],
      ["sample", "answer_owed pause"],
      ["send", GET],
      ["sample", "unmovable resume"],
    ]],
    ["another request while the first is held", [...HELD, ["send", GET], [
      "sample",
      "unmovable proven resume",
    ]]],
    ["a WebSocket", [
      ["sample", "idle pause"],
      ["send", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"],
      ["sample", "unmovable resume"],
    ]],
    ["a WebSocket after requests", [
      ...PROVEN,
      ["send", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"],
      ["sample", "unmovable proven resume"],
    ]],
    ["something else after requests", [...PROVEN, ["send", "\0\0"], [
      "sample",
      "unmovable proven resume",
    ]]],
    ["unmovable forever", [
      ["sample", "idle pause"],
      ["send", GET + GET],
      ["sample", "unmovable resume"],
      ["take"],
      ["answer"],
      ["sample", "unmovable"],
      ["send", GET],
      ["sample", "unmovable"],
    ]],
    ["TLS is released, and never proven", [
      ["sample", "idle pause"],
      ["send", "\x17\x03\x03\0\x05abcde"],
      ["sample", "reading resume"],
      ["take"],
      ["sample", "reading"],
      ["answer"],
      ["sample", "answer_owed pause"],
      ["answer"],
      ["sample", "idle"],
    ]],
    ["half a request is released", [
      ...PROVEN,
      ["send", "GET / HT"],
      ["sample", "reading proven resume"],
      ["send", "TP/1.1\r\n\r\n"],
      ["take"],
      ["sample", "reading proven"],
      ["answer"],
      ["sample", "answer_owed proven pause"],
    ]],
  ];
  for (const [name, parts] of cases) test(name, () => void play(parts));
});

describe("an answer that continues", () => {
  const terms = { quietMs: QUIET_MS, isEarly: false };
  const more = (pauseMs: number): readonly Part[] => [
    ["later", pauseMs],
    ["answer"],
    ["sample", "idle proven"],
    ["later", QUIET_MS],
  ];
  const cases: [string, readonly Part[], MoveDecision][] = [
    ["without a pause is idle when it is over", [...PROVEN, ...more(QUIET_MS - 1)], "move_idle"],
    ["after a pause stays: an event stream", [...PROVEN, ...more(QUIET_MS)], "stay"],
    ["after many", [...PROVEN, ...more(QUIET_MS), ...more(QUIET_MS)], "stay"],
    ["stays until one more request was followed", [
      ...PROVEN,
      ...more(QUIET_MS),
      ["send", GET],
      ["sample", "released proven resume"],
      ["take"],
      ["answer"],
      ["sample", "idle proven pause"],
    ], "move_idle"],
    ["may begin late", [
      ...PROVEN.slice(0, -2),
      ...more(2 * QUIET_MS),
    ], "move_idle"],
  ];
  for (const [name, parts, wanted] of cases) {
    test(`${name}: ${wanted}`, () => {
      const { state, sample } = play(parts);
      const quiet = { ...sample, activity: "idle", silentMs: QUIET_MS } as const;
      assert.equal(decideMove(state, quiet, terms), wanted);
    });
  }
});

describe("decideMove()", () => {
  const stateIn = (phase: Phase, isProven: boolean): ConnectionState => ({
    phase,
    evidence: isProven ? 2 : 0,
    isSingleRequest: true,
    sentAtRelease: 0,
    readAtRelease: 0,
    lastRead: 0,
    lastSent: 0,
    lastSentAtMs: 0,
    expectedRead: null,
    sinceMs: 0,
    holdsAnswer: false,
    hasSlipped: false,
  });
  const sampleOf = (activity: Sample["activity"], silentMs: number): Sample => ({
    activity,
    silentMs,
    atMs: 0,
    read: 0,
    unread: 0,
    sent: 0,
    unacknowledged: 0,
    serverSentLast: true,
    head: null,
  });
  const EARLY = { quietMs: 50, isEarly: true };
  const LATE = { quietMs: 50, isEarly: false };
  const BUSY = sampleOf("busy", 49);
  const QUIET = sampleOf("idle", 50);
  // Early: busy, quiet. Late: busy, quiet.
  const rows: [
    string,
    ConnectionState,
    [MoveDecision, MoveDecision, MoveDecision, MoveDecision],
  ][] = [
    ["boundary", stateIn("boundary", true), ["move_now", "move_now", "move_now", "move_now"]],
    ["idle, proven", stateIn("idle", true), ["wait", "move_idle", "wait", "move_idle"]],
    ["idle", stateIn("idle", false), ["wait", "wait", "wait", "stay"]],
    ["answer_owed, proven", stateIn("answer_owed", true), ["wait", "wait", "wait", "stay"]],
    ["answer_owed", stateIn("answer_owed", false), ["wait", "wait", "wait", "stay"]],
    ["queued", stateIn("queued", false), ["wait", "wait", "wait", "stay"]],
    ["released", stateIn("released", false), ["wait", "wait", "wait", "stay"]],
    ["reading", stateIn("reading", false), ["wait", "wait", "wait", "stay"]],
    ["unmovable", stateIn("unmovable", false), ["wait", "stay", "wait", "stay"]],
    ["idle, where a request ended unseen", { ...stateIn("idle", true), isSingleRequest: false }, [
      "wait",
      "wait",
      "wait",
      "stay",
    ]],
  ];
  for (const [name, state, wanted] of rows) {
    test(`${name}: ${wanted.join(", ")}`, () => {
      const found = [EARLY, LATE].flatMap((terms) =>
        [BUSY, QUIET].map((seen) => decideMove(state, seen, terms))
      );
      assert.deepEqual(found, wanted);
    });
  }

  test("a connection that was not sampled yet is waited for", () => {
    assert.equal(decideMove(null, null, LATE), "wait");
  });

  test("a connection that was never paused stays when it is idle", () => {
    assert.deepEqual([decideMove(null, BUSY, LATE), decideMove(null, QUIET, LATE)], [
      "wait",
      "stay",
    ]);
  });
});
