/** The time line of generations, put together from looks and events in any order. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Lanes, ticksIn } from "../../../../src/admin/page/lanes.ts";
import { Random } from "../../../support/random.ts";

const VIEW = { fromMs: 1_000_000, toMs: 1_100_000 };
const at = (second: number) => VIEW.fromMs + second * 1_000;

/** As `state from-to`, in seconds of the view. */
function lane(lanes: Lanes, epoch: number, view = VIEW): string[] {
  const second = (ms: number | null) => ms === null ? "" : (ms - VIEW.fromMs) / 1_000;
  return lanes.segments(epoch, view).map(({ state, fromMs, toMs }) =>
    `${state} ${second(fromMs)}-${second(toMs)}`
  );
}

describe("a lane", () => {
  const steps = [["starting", 10], ["probing", 12], ["serving", 20], ["draining", 60], [
    "stopping",
    70,
  ], ["exited", 75]] as const;
  const whole = [
    "starting 10-12",
    "probing 12-20",
    "serving 20-60",
    "draining 60-70",
    "stopping 70-75",
  ];

  test("is the same in whatever order its steps become known", () => {
    const random = new Random(16);
    for (let round = 0; round < 50; round++) {
      const lanes = new Lanes();
      const order = steps.map((step) => ({ step, rank: random.next() }))
        .sort((a, b) => a.rank - b.rank);
      for (const { step: [state, second] } of order) lanes.note(3, state, at(second));
      assert.deepEqual(lane(lanes, 3), whole, `order ${order.map(({ step }) => step[0])}`);
    }
  });

  test("a look that finds the state that an event has told of changes nothing", () => {
    const lanes = new Lanes();
    for (const [state, second] of steps.slice(0, 3)) lanes.note(3, state, at(second));
    lanes.look([sight("serving", 79_600)], at(100));
    lanes.look([sight("serving", 80_900)], at(100));
    assert.deepEqual(lane(lanes, 3), ["starting 10-12", "probing 12-20", "serving 20-"]);
  });

  test("a state that was seen later than it began begins when it did", () => {
    const lanes = new Lanes();
    lanes.note(3, "serving", at(50));
    lanes.note(3, "serving", at(20));
    assert.deepEqual(lane(lanes, 3), ["serving 20-"]);
  });

  test("a generation that serves again after a drain has both times", () => {
    const lanes = new Lanes();
    for (const [state, second] of [["serving", 10], ["draining", 20], ["serving", 30]] as const) {
      lanes.note(3, state, at(second));
    }
    assert.deepEqual(lane(lanes, 3), ["serving 10-20", "draining 20-30", "serving 30-"]);
  });

  test("the first look of a page that has no events begins with the start", () => {
    const lanes = new Lanes();
    lanes.look([sight("serving", 60_000)], at(100));
    assert.deepEqual(lane(lanes, 3), ["starting 5-40", "serving 40-"]);
  });

  test("a drain before which nothing is known follows a time of serving", () => {
    const lanes = new Lanes();
    lanes.look([sight("draining", 10_000)], at(100));
    assert.deepEqual(lane(lanes, 3), ["serving 5-90", "draining 90-"]);
  });

  test("a state of unknown age has lasted from the start", () => {
    const lanes = new Lanes();
    lanes.look([sight("serving", null)], at(90));
    lanes.look([sight("serving", null)], at(95));
    assert.deepEqual(lane(lanes, 3), ["serving 5-"]);
  });

  test("a generation of which nothing is known but that it has ended is not shown", () => {
    const lanes = new Lanes();
    lanes.look([sight("exited", null)], at(100));
    assert.deepEqual(lanes.epochs(VIEW), []);
  });

  test("what is out of view is cut off, in percent of the view", () => {
    const lanes = new Lanes();
    for (const [state, second] of [["serving", -50], ["draining", 25]] as const) {
      lanes.note(3, state, at(second));
    }
    const places = lanes.segments(3, VIEW).map(({ leftPercent, widthPercent }) => [
      leftPercent,
      widthPercent,
    ]);
    assert.deepEqual(places, [[0, 25], [25, 75]]);
    assert.deepEqual(lane(lanes, 3, { fromMs: at(30), toMs: at(40) }), ["draining 25-"]);
    assert.deepEqual(lane(lanes, 3, { fromMs: at(-90), toMs: at(-60) }), []);
  });
});

test("the newest generation comes first, and at most 200 are kept", () => {
  const lanes = new Lanes();
  for (let epoch = 0; epoch < 250; epoch++) lanes.note(epoch, "serving", at(epoch / 10));
  const epochs = lanes.epochs(VIEW);
  assert.deepEqual([epochs[0], epochs.at(-1), epochs.length], [249, 50, 200]);
});

test("where there is no room, those that have ended make it, the oldest first", () => {
  const lanes = new Lanes();
  for (let epoch = 0; epoch < 6; epoch++) {
    lanes.note(epoch, "serving", at(epoch));
    if (epoch !== 1 && epoch !== 5) lanes.note(epoch, "exited", at(10 + epoch));
  }
  assert.deepEqual(lanes.epochs(VIEW, 4), [5, 4, 3, 1]);
  assert.deepEqual(lanes.epochs(VIEW, 1), [5, 1]);
});

test("ticks are at round times, and as many as there is room for", () => {
  for (const lengthMs of [60_000, 300_000, 900_000, 3_600_000]) {
    for (const most of [2, 5, 12, 40]) {
      const ticks = ticksIn(
        { fromMs: 1_700_000_003_217, toMs: 1_700_000_003_217 + lengthMs },
        most,
      );
      assert.ok(ticks.length <= most + 1, `${ticks.length} of ${most} in ${lengthMs}`);
      assert.ok(most < 5 || ticks.length >= 2, `${ticks.length} of ${most} in ${lengthMs}`);
      assert.ok(ticks.every((tick) => tick % 5_000 === 0));
    }
  }
});

function sight(state: string, stateMs: number | null) {
  return { epoch: 3, state, stateMs, startedAt: new Date(at(5)).toISOString() };
}
