/** How many connections are due at each step, so that they are closed evenly over the time that there is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dueNow } from "../../../src/drain/spread_close.ts";

/** Times at which each of `count` is closed, with a step every `stepMs`. */
function closings(count: number, toMs: number, stepMs: number): number[] {
  const times: number[] = [];
  let sinceMs = 0;
  for (let atMs = stepMs; times.length < count && atMs <= toMs; atMs += stepMs) {
    const calledAtMs = atMs - stepMs;
    const step = dueNow(count - times.length, { sinceMs, calledAtMs, atMs, toMs });
    for (let i = 0; i < step.due; i++) times.push(atMs);
    sinceMs += step.due * step.stepMs;
  }
  return times;
}

describe("dueNow()", () => {
  it("closes each in its turn, and the last one before the end", () => {
    const times = closings(4, 5_000, 40);
    assert.equal(times.length, 4);
    times.forEach((at, i) => assert.ok(Math.abs(at - (i + 1) * 1_000) <= 40, `${times}`));
  });

  it("closes many at a step, in each as many", () => {
    const times = closings(9_000, 10_000, 40);
    assert.equal(times.length, 9_000);
    const perSecond = Array.from(
      { length: 10 },
      (_, second) => times.filter((at) => at > second * 1_000 && at <= (second + 1) * 1_000).length,
    );
    assert.ok(perSecond.every((n) => n > 800 && n < 1_000), `${perSecond}`);
  });

  it("does not catch up with those that could not be closed when they were due", () => {
    const times = { sinceMs: 0, calledAtMs: 760, atMs: 800, toMs: 1_000 };
    assert.equal(dueNow(4, times).due, 1);
    assert.equal(dueNow(4, { ...times, calledAtMs: 0 }).due, 4);
  });

  it("closes all when the time is over", () => {
    assert.equal(dueNow(7, { sinceMs: 90, calledAtMs: 90, atMs: 100, toMs: 100 }).due, 7);
  });
});
