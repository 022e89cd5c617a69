/** Delays between starts of a server that keeps crashing, and the breaker. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { backoffDelay } from "../../../src/lifecycle/backoff.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

describe("backoffDelay()", () => {
  const policy = { delayMs: 1_000, maxDelayMs: 10_000, limit: 7 };
  const delays = [0, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, null, null];
  delays.forEach((delay, i) => {
    test(`after crash ${i + 1} is ${delay === null ? "never" : `${delay} ms`}`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => assert.equal(backoffDelay(i + 1, policy), delay));
  });

  test("with a limit of 0 gives up at the first crash", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(backoffDelay(1, { ...policy, limit: 0 }), null);
  });

  test("is never infinite, however many crashes are allowed", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(backoffDelay(5_000, { ...policy, limit: 10_000 }), 10_000);
  });

  test("of 0 ms stays 0", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(backoffDelay(6, { ...policy, delayMs: 0 }), 0);
    assert.equal(backoffDelay(5_000, { ...policy, delayMs: 0, limit: 10_000 }), 0);
  });
});
