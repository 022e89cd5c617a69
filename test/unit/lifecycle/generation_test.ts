/** One generation: how it begins, and that the first cause of its end wins (states: service_walk_test.ts). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newGeneration, withOutcome } from "../../../src/lifecycle/generation.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

describe("newGeneration()", () => {
  test("starts, and nothing has happened to it", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.deepEqual(newGeneration(3), {
      epoch: 3,
      state: "starting",
      workers: 1,
      plan: "files",
      admitted: false,
      unwell: false,
      replaces: null,
      outcome: null,
      reason: null,
      served: false,
      cut: false,
      standsIn: false,
    });
    assert.equal(newGeneration(4, { replaces: 3 }).replaces, 3);
  });
});

describe("withOutcome()", () => {
  test("notes the first cause, and changes nothing else", { timeout: TEST_TIMEOUT_MS }, () => {
    const fresh = newGeneration(1);
    const failed = withOutcome(fresh, "failed", "not ready within 5 s");
    assert.deepEqual(failed, { ...fresh, outcome: "failed", reason: "not ready within 5 s" });
    assert.equal(withOutcome(failed, "stopped", "later"), failed);
    assert.equal(fresh.outcome, null, "the old value is as it was");
    assert.equal(withOutcome(fresh, "superseded").reason, null);
  });
});
