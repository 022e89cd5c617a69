/** Where a connection stands between its requests: conversations, and what is decided at each look. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Look, Phase, Watched } from "../../../src/migration/connection.ts";
import { type Verdict, verdict } from "../../../src/migration/movable.ts";
import { QUIET_MS } from "./simulated_connection.ts";
import { type Part, play, PROVEN } from "../../support/played_connection.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const HELD: readonly Part[] = [...PROVEN, ["send", GET], ["look", "boundary proven"]];

describe("a connection that clients keep open", () => {
  const cases: [string, readonly Part[]][] = [
    ["is at a boundary with the request after one that was followed", HELD],
    ["has to be seen with a request even if it rested", [
      ["look", "rest pause"],
      ["send", GET],
      ["look", "open open"],
    ]],
    ["with an unread request at the first look may owe an earlier answer", [
      ["send", GET],
      ["look", "owed pause"],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["answer"],
      ["look", "rest proven"],
    ]],
    ["whose answer is on its way at the first look", [
      ["send", GET],
      ["take"],
      ["look", "owed pause"],
      ["answer"],
      ["look", "rest"],
      ["send", GET],
      ["look", "open open"],
    ]],
    ["waits for room, and nothing is lost meanwhile", [
      ["look", "rest pause"],
      ["send", GET],
      ["full", "waiting"],
      ["full", "waiting"],
      ["look", "open open"],
    ]],
    ["that waits for room and is read all the same", [
      ["look", "rest pause"],
      ["send", GET],
      ["full", "waiting"],
      ["take"],
      ["full", "owed pause"],
      ["answer"],
      ["full", "rest"],
    ]],
    ["that was read, answered and asked again between two looks: once more", [
      ["look", "rest pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["answer"],
      ["send", GET],
      ["look", "owed pause"],
      ["look", "open open"],
    ]],
    ["whose answer and next request come between two looks, twice: that is proof as well", [
      ["look", "rest pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["answer"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["answer"],
      ["send", GET],
      ["look", "open proven open"],
      ["take"],
      ["look", "owed proven pause"],
      ["answer"],
      ["send", GET],
      ["look", "boundary proven"],
    ]],
    ["the same, proven: a boundary", [
      ...HELD,
      ["later", 20],
      ["look", "open proven open"],
      ["take"],
      ["answer"],
      ["send", GET],
      ["look", "boundary proven pause"],
    ]],
    ["the same, after more than one request: once more", [
      ...HELD,
      ["later", 20],
      ["look", "open proven open"],
      ["take"],
      ["answer"],
      ["send", GET],
      ["take"],
      ["answer"],
      ["send", GET],
      ["look", "owed proven pause"],
      ["look", "open proven open"],
    ]],
    ["is held for as long as the others may take, and no longer", [
      ...HELD,
      ["later", 19],
      ["look", "boundary proven"],
      ["later", 1],
      ["full", "waiting proven"],
      ["look", "open proven open"],
      ["take"],
      ["look", "owed proven pause"],
      ["answer"],
      ["look", "rest proven"],
    ]],
    ["that is held and read all the same owes an answer", [
      ...HELD,
      ["take"],
      ["look", "owed proven pause"],
      ["answer"],
      ["look", "rest proven"],
      // Nobody has seen where the request ended that it has read.
      ["send", GET],
      ["look", "open proven open"],
    ]],
    ["is not answered before its client has the answer", [
      ["look", "rest pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["under-way"],
      ["look", "owed proven pause"],
      ["acknowledge"],
      ["look", "rest proven"],
    ]],
  ];
  for (const [name, parts] of cases) test(name, () => void play(parts));
});

describe("a connection that stays", () => {
  const cases: [string, readonly Part[]][] = [
    ["two requests at once", [["look", "rest pause"], ["send", GET + GET], ["look", "unfit open"]]],
    ["the next request before the answer", [
      ["look", "rest pause"],
      ["send", GET],
      ["look", "open open"],
      ["take"],
      ["look", "owed pause"],
      ["send", GET],
      ["look", "unfit open"],
    ]],
    ["another request while the first is held", [...HELD, ["send", GET], [
      "look",
      "unfit proven open",
    ]]],
    ["a WebSocket", [
      ["look", "rest pause"],
      ["send", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"],
      ["look", "unfit open"],
    ]],
    ["a WebSocket after requests", [
      ...PROVEN,
      ["send", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"],
      ["look", "unfit proven open"],
    ]],
    ["something else after requests", [...PROVEN, ["send", "\0\0"], ["look", "unfit proven open"]]],
    ["unfit for ever", [
      ["look", "rest pause"],
      ["send", GET + GET],
      ["look", "unfit open"],
      ["take"],
      ["answer"],
      ["look", "unfit"],
      ["send", GET],
      ["look", "unfit"],
    ]],
    ["TLS is let in, and never proven", [
      ["look", "rest pause"],
      ["send", "\x17\x03\x03\0\x05abcde"],
      ["look", "reading open"],
      ["take"],
      ["look", "reading"],
      ["answer"],
      ["look", "owed pause"],
      ["answer"],
      ["look", "rest"],
    ]],
    ["half a request is let in", [
      ...PROVEN,
      ["send", "GET / HT"],
      ["look", "reading proven open"],
      ["send", "TP/1.1\r\n\r\n"],
      ["take"],
      ["look", "reading proven"],
      ["answer"],
      ["look", "owed proven pause"],
    ]],
  ];
  for (const [name, parts] of cases) test(name, () => void play(parts));
});

describe("an answer that goes on", () => {
  const looks = { quietMs: QUIET_MS, isWaitedFor: false };
  const more = (pauseMs: number): readonly Part[] => [
    ["later", pauseMs],
    ["answer"],
    ["look", "rest proven"],
    ["later", QUIET_MS],
  ];
  const cases: [string, readonly Part[], Verdict][] = [
    ["without a pause rests when it is over", [...PROVEN, ...more(QUIET_MS - 1)], "rests"],
    ["after a pause stays: an event stream", [...PROVEN, ...more(QUIET_MS)], "stays"],
    ["after many", [...PROVEN, ...more(QUIET_MS), ...more(QUIET_MS)], "stays"],
    ["stays until one request more was followed", [
      ...PROVEN,
      ...more(QUIET_MS),
      ["send", GET],
      ["look", "open proven open"],
      ["take"],
      ["answer"],
      ["look", "rest proven pause"],
    ], "rests"],
    ["begins as late as it likes", [
      ...PROVEN.slice(0, -2),
      ...more(2 * QUIET_MS),
    ], "rests"],
  ];
  for (const [name, parts, wanted] of cases) {
    test(`${name}: ${wanted}`, () => {
      const { watched, look } = play(parts);
      const quiet = { ...look, activity: "idle", quietForMs: QUIET_MS } as const;
      assert.equal(verdict(watched, quiet, looks), wanted);
    });
  }
});

describe("verdict()", () => {
  const watched = (phase: Phase, isProven: boolean): Watched => ({
    ...{ phase, waited: isProven ? 2 : 0, reason: null, isAlone: true },
    ...{ base: 0, read: 0, position: 0, sent: 0, sentAtMs: 0, expected: null, sinceMs: 0 },
  });
  const look = (activity: Look["activity"], quietForMs: number): Look => ({
    ...{ activity, quietForMs, atMs: 0, received: 0, unread: 0, acknowledged: 0, underWay: 0 },
    ...{ answeredLast: true, begins: null },
  });
  const EARLY = { quietMs: 50, isWaitedFor: true };
  const LATE = { quietMs: 50, isWaitedFor: false };
  const BUSY = look("busy", 49);
  const QUIET = look("idle", 50);
  // Busy or quiet while clients are waited for, busy or quiet later.
  const rows: [string, Watched, [Verdict, Verdict, Verdict, Verdict]][] = [
    ["boundary", watched("boundary", true), ["moves", "moves", "moves", "moves"]],
    ["rest, proven", watched("rest", true), ["busy", "rests", "busy", "rests"]],
    ["rest", watched("rest", false), ["busy", "busy", "busy", "stays"]],
    ["owed, proven", watched("owed", true), ["busy", "busy", "busy", "stays"]],
    ["owed", watched("owed", false), ["busy", "busy", "busy", "stays"]],
    ["waiting", watched("waiting", false), ["busy", "busy", "busy", "stays"]],
    ["open", watched("open", false), ["busy", "busy", "busy", "stays"]],
    ["reading", watched("reading", false), ["busy", "busy", "busy", "stays"]],
    ["unfit", watched("unfit", false), ["busy", "stays", "busy", "stays"]],
    ["rest, where a request ended unseen", { ...watched("rest", true), isAlone: false }, [
      ...["busy", "busy", "busy", "stays"] as const,
    ]],
  ];
  for (const [name, state, wanted] of rows) {
    test(`${name}: ${wanted.join(", ")}`, () => {
      const found = [EARLY, LATE].flatMap((terms) =>
        [BUSY, QUIET].map((seen) => verdict(state, seen, terms))
      );
      assert.deepEqual(found, wanted);
    });
  }

  test("a connection that was not looked at yet is busy", () => {
    assert.equal(verdict(null, null, LATE), "busy");
  });

  test("a connection that is not held back stays when it is idle", () => {
    assert.deepEqual([verdict(null, BUSY, LATE), verdict(null, QUIET, LATE)], ["busy", "stays"]);
  });
});
