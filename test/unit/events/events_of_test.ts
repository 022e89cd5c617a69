/** Which events a step of the lifecycle becomes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EVENT_FIELDS, EVENTS, isWanted } from "../../../src/events/event_table.ts";
import { eventsOf } from "../../../src/events/events_of.ts";
import { step } from "../../../src/lifecycle/service.ts";
import { History } from "../../../src/report/history.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { parseEvent, Story } from "../../support/service_story.ts";

/** @returns for each event of the story what becomes of it, in one line */
function told(texts: readonly string[]): string[] {
  const story = new Story();
  const history = new History(new FakeClock());
  return texts.map((text) => {
    const [event, before] = [parseEvent(text), story.state];
    history.beforeStep(event, before);
    const { state, effects } = step(before, event, story.policy);
    story.state = state;
    history.afterStep(state);
    for (const effect of effects) {
      if (effect.kind === "spawn") history.started(effect.epoch, new Date(0), effect.epoch + 100);
      if (effect.kind === "reload_result") history.reloaded({ ...effect, durationMs: 5 });
    }
    if (event.kind === "exited") {
      history.ended(event.epoch, { cut: 2, undecided: 0, seen: null, kept: null });
    }
    return eventsOf({ event, before, after: state, effects, history }).map(brief).join(", ");
  });
}

function brief({ event, fields }: ReturnType<typeof eventsOf>[number]): string {
  const { epoch, percent, outcome, cut, restored, replaced, queued, replaces, again } = fields;
  const shown = { percent, outcome, cut, restored, replaced, queued, replaces, again };
  const rest = Object.entries(shown).filter(([, value]) => value !== undefined);
  return [event, epoch, ...rest.map(([key, value]) => `${key}=${value}`)]
    .filter((each) => each !== undefined).join(" ");
}

const START = [
  ["start", "generation.starting 0"],
  ["ready 0", "generation.ready 0, generation.serving 0"],
] as const;
const RELOAD = ["reload 7", "reload.requested, generation.starting 1"] as const;
const CANARY = [
  ["reload 7 canary 10", RELOAD[1]],
  ["ready 1", "generation.ready 1, trial.started 1 percent=10, reload.succeeded 1 replaced=0"],
] as const;

describe("eventsOf()", () => {
  const cases: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    ["a first start", [
      ["start", "generation.starting 0"],
      ["listening 0", "generation.listening 0"],
      ["ready 0", "generation.ready 0, generation.serving 0"],
      ["ready 0", ""],
    ]],
    ["a reload", [
      ...START,
      RELOAD,
      ["listening 1", "generation.listening 1"],
      [
        "ready 1",
        "generation.ready 1, generation.draining 0, generation.serving 1, " +
        "reload.succeeded 1 replaced=0",
      ],
      ["drained 0", "generation.drained 0, generation.stopping 0"],
      ["drained 0", ""],
      ["exited 0 0 stopped", "generation.exited 0 outcome=superseded cut=2"],
    ]],
    ["a reload that fails", [
      ...START,
      RELOAD,
      ["failed 1 70", "generation.failed 1, generation.stopping 1, reload.failed 1"],
      ["exited 1 0 stopped", "generation.exited 1 outcome=failed cut=2"],
    ]],
    ["a candidate that exits", [
      ...START,
      RELOAD,
      [
        "exited 1 3",
        "generation.exited 1 outcome=failed cut=2, generation.failed 1, reload.failed 1",
      ],
    ]],
    ["two reloads at once", [...START, RELOAD, ["reload 8", "reload.requested queued=true"]]],
    ["a crash", [
      ...START,
      [
        "exited 0 3",
        "generation.crashed 0, generation.exited 0 outcome=crashed cut=2, service.restarting",
      ],
      ["backoff", "generation.starting 1 replaces=0"],
    ]],
    ["a canary that is promoted", [
      ...START,
      ...CANARY,
      ["share 8 25", "trial.share 1 percent=25"],
      ["promote 9", "generation.draining 0, trial.promoted 1, generation.serving 1"],
    ]],
    ["a canary that is rolled back", [
      ...START,
      ...CANARY,
      ["unhealthy 1", "generation.unhealthy 1, generation.rolled_back 1, generation.draining 1"],
    ]],
    ["a stop", [
      ...START,
      ["stop", "service.stopping, generation.draining 0"],
      ["stop", "service.stopping, generation.stopping 0"],
      ["exited 0 0 stopped", "generation.exited 0 outcome=stopped cut=2, service.stopped"],
    ]],
    ["a takeover under another name", [
      ...START,
      ["upgrade 7", "upgrade.started"],
      ["handed_over green", "upgrade.handed_over, generation.draining 0"],
      ["drained 0", "generation.drained 0, generation.stopping 0"],
      ["exited 0 0 stopped", "generation.exited 0 outcome=superseded cut=2, service.stopped"],
    ]],
    ["an upgrade that is taken back", [
      ...START,
      ["upgrade 7", "upgrade.started"],
      ["handed_over", "generation.draining 0"],
      ["handed_back", "upgrade.taken_back 0, generation.serving 0 again=true"],
    ]],
  ];
  for (const [name, lines] of cases) {
    it(`tells ${name}`, () => {
      const texts = lines.map(([text]) => text);
      const events = told(texts);
      const shown = texts.map((text, i) => [text, events[i]]);
      assert.deepEqual(shown, lines.map(([text, line]) => [text, line]));
    });
  }
});

describe("the table of events", () => {
  it("explains each field, and no other", () => {
    const used = new Set(Object.values(EVENTS).flatMap(({ fields }) => [...fields] as string[]));
    assert.deepEqual([...used].sort(), Object.keys(EVENT_FIELDS).sort());
  });
});

describe("isWanted()", () => {
  const failed = { event: "reload.failed", level: "error" };
  const step = { event: "generation.starting", level: "debug" };
  for (
    const [patterns, what, expected] of [
      [[], failed, true],
      [[], step, false],
      [["*"], step, true],
      [["generation.*"], step, true],
      [["generation.*"], failed, false],
      [["reload.failed"], failed, true],
      [["reload.fail"], failed, false],
      [["trial.*", "reload.*"], failed, true],
    ] as const
  ) {
    it(`${expected ? "lets pass" : "keeps back"} ${what.event} for "${patterns}"`, () => {
      assert.equal(isWanted(what, patterns), expected);
    });
  }
});
