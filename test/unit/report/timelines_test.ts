/** What a reload consisted of, from states and times. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GenerationState } from "../../../src/lifecycle/generation.ts";
import {
  connectionsView,
  describePhases,
  mergePhases,
  Timelines,
} from "../../../src/report/timelines.ts";
import type { PhaseView } from "../../../src/report/snapshot.ts";

/** A step of the lifecycle, or a hook that begins. */
type Happening =
  | readonly [atMs: number, states: Readonly<Record<number, GenerationState>>]
  | readonly [atMs: number, epoch: number, hook: string];

function timelinesOf(happenings: readonly Happening[]): Timelines {
  const timelines = new Timelines();
  for (const happening of happenings) {
    if (happening.length === 3) {
      timelines.enter(happening[1], happening[2], happening[0]);
      continue;
    }
    const [atMs, states] = happening;
    const generations = Object.entries(states).map(([epoch, state]) => ({
      epoch: Number(epoch),
      state,
    }));
    timelines.afterStep(generations, atMs);
  }
  return timelines;
}

function texts(phases: readonly PhaseView[]): string[] {
  return phases.map(({ phase, durationMs }) => `${phase} ${durationMs}`);
}

interface Case {
  readonly what: string;
  readonly happenings: readonly Happening[];
  /** Phases of generation 1. */
  readonly arrival: readonly string[];
  readonly failedIn?: string;
  /** Phases of generation 0. */
  readonly departure?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    what: "a reload without hooks",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [100, { 0: "serving", 1: "probing" }],
      [130, { 0: "draining", 1: "serving" }],
      [1130, { 0: "stopping", 1: "serving" }],
      [1150, { 1: "serving" }],
    ],
    arrival: ["starting 100", "probing 30"],
    departure: ["draining 1000", "stopping 20"],
  },
  {
    what: "a reload with all hooks: what stands before a start, or a drain, is none of it",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [0.4, 1, "pre-flight"],
      [50, 1, "pre-start"],
      [60, 1, "pre-start"],
      [70, 1, "starting"],
      [100, { 0: "serving", 1: "probing" }],
      [110, 1, "ready"],
      [130, { 0: "draining", 1: "serving" }],
      [130.2, 0, "pre-drain"],
      [230, 0, "draining"],
      [240, { 0: "stopping", 1: "serving" }],
      [250, { 1: "serving" }],
    ],
    arrival: ["pre-flight 50", "pre-start 20", "starting 30", "probing 10", "ready 20"],
    departure: ["pre-drain 100", "draining 10", "stopping 10"],
  },
  {
    what: "the pre-flight fails",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [0, 1, "pre-flight"],
      [31, { 0: "serving", 1: "stopping" }],
      [31, { 0: "serving" }],
    ],
    arrival: ["pre-flight 31"],
    failedIn: "pre-flight",
    departure: [],
  },
  {
    what: "it ends before it is ready",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [10, { 0: "serving", 1: "probing" }],
      [15, { 0: "serving" }],
    ],
    arrival: ["starting 10", "probing 5"],
    failedIn: "probing",
    departure: [],
  },
  {
    what: "it is under way",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [10, { 0: "serving", 1: "probing" }],
    ],
    arrival: ["starting 10", "probing null"],
    departure: [],
  },
  {
    what: "the old one drains",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [10, { 0: "draining", 1: "serving" }],
    ],
    arrival: ["starting 10"],
    departure: ["draining null"],
  },
  {
    what: "it is rolled back from its trial",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [10, { 0: "serving", 1: "probing" }],
      [20, { 0: "serving", 1: "baking" }],
      [520, { 0: "serving", 1: "draining" }],
    ],
    arrival: ["starting 10", "probing 10", "baking 500"],
    failedIn: "baking",
    departure: [],
  },
  {
    what: "the old one is steered back to, and replaced later",
    happenings: [
      [0, { 0: "serving", 1: "starting" }],
      [10, { 0: "draining", 1: "serving" }],
      [20, { 0: "serving", 1: "draining" }],
      [100, { 0: "draining", 2: "serving" }],
      [107, { 0: "stopping", 2: "serving" }],
    ],
    arrival: ["starting 10"],
    failedIn: "serving",
    departure: ["draining 7", "stopping null"],
  },
];

describe("Timelines", () => {
  for (const { what, happenings, arrival, failedIn, departure } of CASES) {
    it(what, () => {
      const timelines = timelinesOf(happenings);
      assert.deepEqual(texts(timelines.arrival(1)), arrival);
      if (failedIn !== undefined) assert.equal(timelines.lastBeforeLeaving(1), failedIn);
      if (departure !== undefined) assert.deepEqual(texts(timelines.departure(0)), departure);
    });
  }

  it("knows nothing of a forgotten generation", () => {
    const timelines = timelinesOf([[0, { 1: "starting" }], [5, { 1: "serving" }]]);
    timelines.forget(1);
    assert.deepEqual(timelines.arrival(1), []);
    assert.deepEqual(timelines.arrivalSince(0, 1), []);
  });
});

describe("Timelines.arrivalSince()", () => {
  const timelines = timelinesOf([[100, { 1: "starting" }], [150, { 1: "serving" }]]);

  it("begins with the time in the queue", () => {
    const phases = timelines.arrivalSince(150 - 130, 1);
    assert.deepEqual(texts(phases), ["queued 80", "starting 50"]);
  });

  for (const durationMs of [49, 50, 59]) {
    it(`leaves out what any request takes (${durationMs} ms)`, () => {
      const phases = timelines.arrivalSince(150 - durationMs, 1);
      assert.deepEqual(texts(phases), ["starting 50"]);
    });
  }
});

describe("updated()", () => {
  const phase = (name: string, epoch: number, durationMs: number | null = 5) => ({
    ...{ phase: name, epoch, durationMs },
  });
  const known = [phase("queued", 1), phase("starting", 1), phase("draining", 0, null)];
  const cases: [string, PhaseView[], string[]][] = [
    ["nothing new", [], ["queued 5", "starting 5", "draining null"]],
    ["the old one's way out", [phase("draining", 0), phase("stopping", 0, null)], [
      ...["queued 5", "starting 5", "draining 5", "stopping null"],
    ]],
    ["the new one's way in", [phase("starting", 1, 6), phase("baking", 1, null)], [
      ...["queued 5", "starting 6", "baking null", "draining null"],
    ]],
  ];
  for (const [what, news, expected] of cases) {
    it(what, () => assert.deepEqual(texts(mergePhases(known, news, [1, 0])), expected));
  }
});

describe("connectionsView()", () => {
  const kept = (moved: number) => ({ moved, finished: 1, left: 2 });
  const cases: [number, number, number, number | null, number][] = [
    [0, 0, 0, null, 0],
    [10, 2, 0, null, 8],
    [10, 2, 4, null, 4],
    [10, 2, 1, 5, 2],
    // Those that were cut in the queue were never seen as connections.
    [1, 4, 0, null, 0],
  ];
  for (const [seen, cut, undecided, moved, finished] of cases) {
    it(`${seen} seen, ${cut} cut, ${undecided} undecided, ${moved} moved`, () => {
      const losses = { seen, cut, undecided, kept: moved === null ? null : kept(moved) };
      const expected = { finished, cut, undecided, moved: moved ?? 0 };
      assert.deepEqual(connectionsView(losses), expected);
    });
  }
});

describe("describePhases()", () => {
  it("is one line", () => {
    const phases = timelinesOf([[0, { 0: "starting" }], [7, { 0: "probing" }]]).arrival(0);
    assert.equal(describePhases(phases), "starting 7 ms, probing still");
    assert.equal(describePhases([]), "");
  });
});
