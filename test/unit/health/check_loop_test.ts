/** The clock around a check: one at a time, nothing counted before there is somebody to ask, nothing after stop. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CheckLoop } from "../../../src/health/check_loop.ts";
import {
  type CheckOutcome,
  failure,
  skipped,
  success,
  UNKNOWN,
} from "../../../src/health/monitor.ts";
import { LogLine } from "../../../src/health/log_line.ts";
import { Mutex } from "../../../src/steering/mutex.ts";
import { waitUntil } from "../../support/wait_until.ts";

class Asked {
  attempts = 0;
  cancelled = 0;
  available = true;
  answer: ((result: CheckOutcome) => void) | null = null;
  readonly seen: boolean[] = [];
  readonly loop: CheckLoop;

  constructor(intervalMs = 1) {
    this.loop = new CheckLoop({
      name: "tcp",
      health: UNKNOWN,
      schedule: { intervalMs, edgeIntervalMs: intervalMs, jitterMs: 0, initialJitterMs: 0 },
      thresholds: { healthyThreshold: 1, unhealthyThreshold: 3 },
      startCheck: (onResult) => {
        if (!this.available) return null;
        this.attempts++;
        this.answer = onResult;
        return { cancel: () => this.cancelled++ };
      },
      onResult: (_, after) => this.seen.push(after.healthy),
      random: () => 0,
    });
  }
}

describe("CheckLoop", () => {
  test("asks again only when the one before has ended", async () => {
    const asked = new Asked();
    asked.loop.start();
    asked.loop.start();
    asked.loop.checkNow();
    assert.equal(asked.attempts, 1);
    asked.answer?.(failure("x"));
    await waitUntil(() => asked.attempts === 2, { what: "it asks a second time" });
    asked.answer?.(success("y"));
    assert.deepEqual(asked.seen, [false, true]);
    asked.loop.stop();
    assert.equal(asked.loop.text, "tcp: y (1 of 2 failed)");
  });

  test("counts nothing while there is nobody to ask, and asks at once when there is", () => {
    const asked = new Asked(60_000);
    asked.available = false;
    asked.loop.start();
    asked.loop.checkNow();
    assert.equal(asked.attempts, 0);
    assert.equal(asked.loop.text, "tcp: no result yet");
    asked.available = true;
    asked.loop.checkNow();
    assert.equal(asked.attempts, 1);
    asked.loop.stop();
  });

  test("asks again when it could not, and says why meanwhile", async () => {
    const asked = new Asked();
    asked.loop.start();
    asked.answer?.(skipped("no descriptor"));
    assert.equal(asked.loop.text, "tcp: could not be asked: no descriptor");
    await waitUntil(() => asked.attempts === 2, { what: "it asks a second time" });
    asked.answer?.(success("x"));
    assert.deepEqual(asked.seen, [false, true]);
    asked.loop.stop();
    assert.equal(asked.loop.text, "tcp: x (0 of 1 failed)");
  });

  test("looks by itself whether there is somebody to ask", async () => {
    const asked = new Asked();
    asked.available = false;
    asked.loop.start();
    asked.available = true;
    await waitUntil(() => asked.attempts === 1, { what: "it asks" });
    asked.loop.stop();
  });

  test("stop cancels what is under way, and a late answer is no news", () => {
    const asked = new Asked();
    asked.loop.start();
    asked.loop.stop();
    assert.equal(asked.cancelled, 1);
    asked.answer?.(success("late"));
    assert.deepEqual(asked.seen, []);
    assert.equal(asked.loop.health, UNKNOWN);
  });
});

describe("LogLine", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  test("looks at whole lines only, each stream for itself", () => {
    const log = new LogLine(/^ready$/);
    assert.equal(log.add(1, bytes("re")), false);
    assert.equal(log.add(2, bytes("x\n")), false);
    assert.equal(log.add(1, bytes("ady")), false);
    assert.equal(log.explanation, "none of 1 lines matched");
    assert.equal(log.add(1, bytes("\r\nmore")), true);
    assert.equal(log.found, "ready");
    assert.equal(log.add(1, bytes("\nready\n")), false, "it is told once");
  });

  test("characters that are cut in two", () => {
    const log = new LogLine(/\u00e4 ready/);
    const [first, second] = [bytes("\u00e4").subarray(0, 1), bytes("\u00e4").subarray(1)];
    log.add(1, first);
    log.add(1, second);
    assert.equal(log.add(1, bytes(" ready\n")), true);
  });

  test("says that there was nothing", () => {
    assert.equal(new LogLine(/x/).explanation, "it printed no line");
  });
});

describe("Lane", () => {
  test("lets one in at a time, in the order of asking", () => {
    const lane = new Mutex();
    const order: string[] = [];
    lane.enter(() => order.push("a"));
    lane.enter(() => order.push("b"));
    lane.enter(() => order.push("c"));
    assert.deepEqual(order, ["a"]);
    lane.leave();
    assert.deepEqual(order, ["a", "b"]);
    lane.leave();
    lane.leave();
    lane.enter(() => order.push("d"));
    assert.deepEqual(order, ["a", "b", "c", "d"]);
  });
});
