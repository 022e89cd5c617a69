/** What the page says: about the service, a reload, an answer, an event. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Latest, parseHappening, stateBegun } from "../../../../src/admin/page/happenings.ts";
import { noAnswer, outcomeOf } from "../../../../src/admin/page/outcomes.ts";
import { headline, isBusy, news, progress, roughly } from "../../../../src/admin/page/texts.ts";
import { phaseRows, reloadFacts, reloadText } from "../../../../src/admin/page/texts_of_reloads.ts";
import type { GenerationReply, SummaryReply } from "../../../../src/admin/replies.ts";

const ONE: GenerationReply = {
  epoch: 1,
  state: "serving",
  outcome: null,
  reason: null,
  pid: 7,
  startedAt: "2026-11-29T10:00:00.000Z",
  stateMs: 5_000,
  leftMs: null,
  percent: 100,
  workers: { serving: 1, total: 1 },
  connections: { busy: 1, idle: 2, undecided: 0 },
  queue: 0,
  drain: null,
};
const RELOAD: NonNullable<SummaryReply["lastReload"]> = {
  result: "ok",
  reason: null,
  durationMs: 1_200,
  epoch: 1,
  replaced: 0,
  failedIn: null,
  phases: [],
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
const FAILED = { ...RELOAD, result: "failed", epoch: 2, reason: "exit status 1" } as const;
const SERVICE: SummaryReply = {
  name: "web",
  version: "0.1.0",
  pid: 1,
  incarnation: 0,
  epoch: 1,
  order: "start-first",
  startedAt: ONE.startedAt,
  at: ONE.startedAt,
  restarts: { ok: 1, failed: 0, crashes: 0 },
  workers: { configured: 1, wanted: 1 },
  generations: [ONE],
  isQueued: false,
  trial: null,
  lastReload: null,
  lastWords: null,
  lookAgeMs: 0,
};
const NEXT: GenerationReply = { ...ONE, epoch: 2, state: "probing", percent: 0 };
const TRIAL = { epoch: 2, phase: "canary", percent: 10, seen: null };

describe("the line about the service", () => {
  const table: readonly [string, Partial<SummaryReply>, string, string, boolean][] = [
    ["a generation serves", {}, "generation 1 serves", "good", false],
    [
      "a reload is under way",
      { generations: [ONE, NEXT] },
      "generation 2 is probing",
      "warn",
      true,
    ],
    [
      "another reload waits",
      { generations: [ONE, NEXT], isQueued: true },
      "generation 2 is probing, another reload waits",
      "warn",
      true,
    ],
    [
      "a trial",
      { generations: [ONE, { ...NEXT, state: "baking" }], trial: TRIAL },
      "generation 2 is on trial",
      "warn",
      true,
    ],
    [
      "a failed reload",
      { lastReload: FAILED },
      "generation 1 serves, the last reload failed",
      "warn",
      false,
    ],
    [
      "the first start",
      { epoch: null, generations: [{ ...NEXT, epoch: 0 }] },
      "generation 0 is probing",
      "warn",
      true,
    ],
    [
      "a start after a crash",
      { epoch: null, generations: [NEXT] },
      "generation 2 is probing",
      "bad",
      true,
    ],
    ["a pause after a crash", { epoch: null, generations: [] }, "nothing serves", "bad", false],
  ];
  for (const [when, change, text, tone, busy] of table) {
    test(when, () => {
      const summary = { ...SERVICE, ...change };
      assert.deepEqual(headline(summary), { text, tone });
      assert.equal(isBusy(summary), busy);
    });
  }
});

describe("what is said aloud", () => {
  const table: readonly [string, Partial<SummaryReply>, readonly string[]][] = [
    ["nothing for counts", { generations: [{ ...ONE, queue: 4 }] }, []],
    ["a switch", { epoch: 2 }, ["Generation 2 serves"]],
    ["an end", { generations: [{ ...ONE, state: "exited" }] }, ["Generation 1 has ended"]],
    ["a crash", { restarts: { ok: 1, failed: 0, crashes: 1 } }, ["The server has crashed"]],
    ["a failure", { lastReload: FAILED }, ["Reload failed: exit status 1"]],
    ["not a success: the switch says that", { lastReload: RELOAD }, []],
    [
      "a trial",
      { trial: TRIAL },
      ["Generation 2 is on trial with 10 % of the new connections"],
    ],
  ];
  for (const [what, change, said] of table) {
    test(what, () => assert.deepEqual(news(SERVICE, { ...SERVICE, ...change }), said));
  }
  test("nothing at first", () => assert.deepEqual(news(null, SERVICE), []));
  test("a failure once", () => {
    const failed = { ...SERVICE, lastReload: FAILED };
    assert.deepEqual(news(failed, failed), []);
  });
  test("a second failure after the first", () => {
    const [first, second] = [2, 3].map((epoch) => ({
      ...SERVICE,
      lastReload: { ...FAILED, epoch },
    }));
    assert.deepEqual(news(first!, second!), ["Reload failed: exit status 1"]);
  });
});

test("the progress of a drain, with the time that is left", () => {
  const drain = { first: 40, left: 12 };
  const draining = { ...ONE, state: "draining", drain, leftMs: 18_400 };
  assert.equal(progress(draining), "draining 12 of 40, 18s left");
  const failed = { ...ONE, state: "exited", outcome: "failed", reason: "exit status 1" };
  assert.equal(progress(failed), "exited, failed, exit status 1");
});

test("durations are as exact as a person needs", () => {
  const table = [[-5, "0s"], [440, "400ms"], [1_260, "1.2s"], [12_900, "12s"], [61_500, "1m1s"]];
  for (const [ms, text] of table) assert.equal(roughly(Number(ms)), text);
  assert.equal(roughly(7_261_000), "2h1m");
});

describe("a reload", () => {
  const table: readonly [Partial<typeof RELOAD>, string][] = [
    [{}, "Generation 1 replaced generation 0 in 1.2s."],
    [{ replaced: null }, "Generation 1 serves, after 1.2s."],
    [{ ...FAILED, failedIn: "probing" }, "Generation 2 failed while probing, after 1.2s."],
    [{ result: "refused", epoch: null }, "It was refused, and nothing has changed."],
  ];
  for (const [change, text] of table) {
    test(text, () => assert.equal(reloadText({ ...RELOAD, ...change }, null), text));
  }
  test("on trial, nothing is replaced yet", () => {
    assert.equal(
      reloadText({ ...RELOAD, epoch: 2 }, TRIAL),
      "Generation 2 has passed its gate, after 1.2s, and is on trial.",
    );
  });
  test("its phases follow each other, and the last one may still last", () => {
    const phases = [["starting", 300], ["probing", 100], ["draining", null]] as const;
    const rows = phaseRows({
      phases: phases.map(([phase, durationMs]) => ({ phase, epoch: 1, durationMs })),
    });
    const places = rows.map(({ leftPercent, widthPercent }) => [leftPercent, widthPercent]);
    assert.deepEqual(places, [[0, 75], [75, 25], [100, 0]]);
  });
  test("what became of it", () => {
    const facts = reloadFacts({
      ...RELOAD,
      connections: { finished: 3, cut: 1, undecided: 0, moved: 2 },
      held: { durationMs: 9, clients: 4, longestWaitMs: 700, overflows: 1 },
      late: [{ address: "127.0.0.1:9", servedBy: 0, state: "waiting" }],
      doubt: "it removed a file",
    });
    assert.deepEqual(facts, [
      "Connections of the generation before: 3 finished, 2 moved, 1 cut, 0 undecided",
      "4 clients waited, at most 700ms",
      "A queue was full 1 time: raise --backlog",
      "127.0.0.1:9: generation 0 answers there meanwhile",
      "The generation before may not be as it was: it removed a file",
    ]);
  });
});

describe("an answer", () => {
  const request = { path: "reload", what: "Reload", done: "Reloaded" };
  const table: readonly [number, unknown, string, string][] = [
    [
      200,
      { result: "ok", epoch: 2, durationMs: 1_200 },
      "ok",
      "Reloaded (generation 2) in 1.2s",
    ],
    [
      200,
      { result: "ok", epoch: 2, trial: {} },
      "ok",
      "Reloaded (generation 2): it is on trial, promote it or roll it back",
    ],
    [200, { result: "ok", epoch: 2, trial: null }, "ok", "Reloaded (generation 2)"],
    [202, { stopping: true }, "ok", "Reloaded"],
    [502, { result: "failed", reason: "exit status 1" }, "failed", "Reload failed: exit status 1"],
    [409, { result: "refused", reason: "a stop" }, "failed", "Reload refused: a stop"],
    [500, null, "failed", "Reload failed: status 500"],
    [401, { error: "wrong token" }, "token", "wrong token"],
    [403, { error: "read-only" }, "read-only", "read-only"],
    [400, { error: "'canary' is too large" }, "failed", "Reload failed: 'canary' is too large"],
  ];
  for (const [status, body, kind, text] of table) {
    test(`${status}: ${text}`, () =>
      assert.deepEqual(outcomeOf(request, status, body), { kind, text }));
  }
  test("none: the state may have changed all the same", () => {
    assert.match(noAnswer(request, new Error("cut")).text, /^Reload: no answer .*\(cut\).*before/);
  });
});

describe("events", () => {
  const event = (id: number, name = "generation.serving") =>
    parseHappening(JSON.stringify({
      id,
      time: "2026-11-29T10:00:00.000Z",
      event: name,
      level: "info",
      message: "it serves",
      epoch: 2,
      other: true,
    }))!;
  test("what begins a state of a generation does, with its time", () => {
    const atMs = Date.parse("2026-11-29T10:00:00.000Z");
    assert.deepEqual(stateBegun(event(1)), { epoch: 2, state: "serving", atMs });
    assert.equal(stateBegun(event(1, "generation.ready")), null);
  });
  test("what is none is left out", () => {
    for (const text of ["", "null", "[]", '{"id":"1"}', "{"]) {
      assert.equal(parseHappening(text), null);
    }
  });
  test("are listed once, the newest first, and not all of them", () => {
    const latest = new Latest();
    assert.deepEqual([5, 3, 5, 4].map((id) => latest.add(event(id))), [true, true, false, true]);
    assert.deepEqual(latest.all.map(({ id }) => id), [5, 4, 3]);
    for (let id = 6; id < 500; id++) latest.add(event(id));
    assert.deepEqual([latest.all[0]?.id, latest.all.length], [499, 200]);
  });
});
