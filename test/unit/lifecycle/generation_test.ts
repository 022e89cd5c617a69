/** One generation: every (state, event) pair, and that the first cause of its end wins. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ACCEPTS,
  accepts,
  type GenerationEventKind,
  type GenerationState,
  newGeneration,
  withOutcome,
} from "../../../src/lifecycle/generation.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const EVENTS: readonly GenerationEventKind[] = [
  "listening",
  "ready",
  "failed",
  "ramped",
  "bake_elapsed",
  "unhealthy",
  "drained",
  "drain_timed_out",
  "stop_timed_out",
  "healthy",
  "behind",
  "caught_up",
  "late_timed_out",
  "aftermath_timed_out",
  "exited",
];
/** x: the event means something in this state. Columns in the order of EVENTS. */
const TABLE: Readonly<Record<GenerationState, string>> = {
  //         listening ready failed ramped bake_e. unhealthy drained drain_t.o. stop_t.o. healthy behind caught_up late_t. afterm. exited
  starting:
    "x         x     x      .      .       .         .       .          .         .       .      .         .       .       x",
  probing:
    " .         x     x      .      .       .         .       .          .         .       .      .         .       .       x",
  baking:
    "  .         .     .      x      x       x         .       .          .         .       .      .         .       .       x",
  serving:
    " .         .     .      .      .       x         .       .          .         x       x      x         x       x       x",
  draining:
    ".         .     .      .      .       .         x       x          .         .       .      .         .       .       x",
  stopping:
    ".         .     .      .      .       .         .       .          x         .       .      .         .       .       x",
  exited:
    "  .         .     .      .      .       .         .       .          .         .       .      .         .       .       .",
};

describe("accepts()", () => {
  for (const [state, row] of Object.entries(TABLE) as [GenerationState, string][]) {
    const marks = row.trim().split(/\s+/);
    EVENTS.forEach((event, i) => {
      const expected = marks[i] === "x";
      test(
        `${state} ${expected ? "takes" : "ignores"} ${event}`,
        { timeout: TEST_TIMEOUT_MS },
        () => {
          assert.equal(accepts(state, event), expected);
        },
      );
    });
  }

  test(
    "knows no state and no event that is not in this table",
    { timeout: TEST_TIMEOUT_MS },
    () => {
      assert.deepEqual(Object.keys(ACCEPTS).sort(), Object.keys(TABLE).sort());
      const events = new Set(Object.values(ACCEPTS).flat());
      assert.deepEqual([...events].sort(), [...EVENTS].sort());
    },
  );
});

describe("newGeneration()", () => {
  test("starts, and nothing has happened to it", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.deepEqual(newGeneration(3), {
      epoch: 3,
      state: "starting",
      replaces: null,
      outcome: null,
      reason: null,
      served: false,
      cut: false,
      standsIn: false,
    });
    assert.equal(newGeneration(4, 3).replaces, 3);
  });
});

describe("because()", () => {
  test("notes the first cause, and changes nothing else", { timeout: TEST_TIMEOUT_MS }, () => {
    const fresh = newGeneration(1);
    const failed = withOutcome(fresh, "failed", "not ready within 5 s");
    assert.deepEqual(failed, { ...fresh, outcome: "failed", reason: "not ready within 5 s" });
    assert.equal(withOutcome(failed, "stopped", "later"), failed);
    assert.equal(fresh.outcome, null, "the old value is as it was");
    assert.equal(withOutcome(fresh, "superseded").reason, null);
  });
});
