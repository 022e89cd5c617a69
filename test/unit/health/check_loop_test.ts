/** When a check is repeated, on a clock moved by hand: one at a time, and nothing after stop(). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CheckLoop } from "../../../src/health/check_loop.ts";
import {
  type CheckOutcome,
  failure,
  type Schedule,
  skipped,
  success,
  type Thresholds,
  UNKNOWN,
  wrongAnswer,
} from "../../../src/health/monitor.ts";
import { LogLine } from "../../../src/health/log_line.ts";
import { Mutex } from "../../../src/steering/mutex.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const SCHEDULE = { intervalMs: 1_000, edgeIntervalMs: 200, jitterMs: 0, initialJitterMs: 0 };
const OUTCOMES = {
  ok: success("status 200"),
  net: failure("no answer"),
  bad: wrongAnswer("status 500"),
  own: skipped("no descriptor"),
} as const;

interface Story extends Partial<Schedule>, Partial<Thresholds> {
  /** What becomes of each check, in order; "none": there is nothing to check. */
  readonly outcomes: readonly (keyof typeof OUTCOMES | "none")[];
  readonly checkMs?: number;
  readonly chance?: number;
}

/** A loop whose checks end by themselves, and what happens when: "1000 start", "1100 healthy". */
class Played {
  readonly clock = new FakeClock();
  readonly log: string[] = [];
  cancelled = 0;
  answer: ((result: CheckOutcome) => void) | null = null;
  readonly loop: CheckLoop;

  constructor({ outcomes, checkMs = 0, chance = 0, ...rest }: Story) {
    const { clock } = this;
    const { healthyThreshold = 1, unhealthyThreshold = 3, ...schedule } = rest;
    const left = [...outcomes];
    this.loop = new CheckLoop({
      clock,
      name: "tcp",
      health: UNKNOWN,
      schedule: { ...SCHEDULE, ...schedule },
      thresholds: { healthyThreshold, unhealthyThreshold },
      startCheck: (onResult) => {
        const outcome = left.shift();
        if (outcome === undefined) {
          this.loop.stop();
          return null;
        }
        if (outcome === "none") return null;
        this.log.push(`${clock.now()} start`);
        this.answer = onResult;
        const timer = clock.after(checkMs, () => onResult(OUTCOMES[outcome]));
        return {
          cancel: () => {
            this.cancelled++;
            timer.cancel();
          },
        };
      },
      onResult: (before, after) => {
        if (before.healthy === after.healthy) return;
        this.log.push(`${clock.now()} ${after.healthy ? "healthy" : "unhealthy"}`);
      },
      random: () => chance,
    });
  }
}

describe("CheckLoop", () => {
  const stories: [string, Story, string][] = [
    [
      "checks once an interval",
      { outcomes: ["ok", "ok", "ok"] },
      "0 start, 0 healthy, 1000 start, 2000 start",
    ],
    [
      "counts the interval from the end of a check",
      { outcomes: ["ok", "ok"], checkMs: 700 },
      "0 start, 700 healthy, 1700 start",
    ],
    [
      "takes the edge interval while a change is pending",
      {
        outcomes: ["ok", "net", "net", "net", "ok"],
      },
      "0 start, 0 healthy, 1000 start, 1200 start, 1400 start, 1400 unhealthy, 2400 start, 2400 healthy",
    ],
    ["needs the threshold to become healthy again", {
      outcomes: ["bad", "ok", "ok"],
      healthyThreshold: 2,
    }, "0 start, 1000 start, 1200 start, 1200 healthy"],
    [
      "becomes unhealthy at once on a wrong answer",
      { outcomes: ["ok", "bad"] },
      "0 start, 0 healthy, 1000 start, 1000 unhealthy",
    ],
    [
      "adds jitter",
      { outcomes: ["ok", "ok"], jitterMs: 300, chance: 0.5 },
      "0 start, 0 healthy, 1150 start",
    ],
    ["waits the initial jitter first", {
      outcomes: ["ok", "ok"],
      initialJitterMs: 500,
      chance: 0.5,
    }, "250 start, 250 healthy, 1250 start"],
    ["tries again after an interval while there is nothing to check", {
      outcomes: ["none", "none", "ok"],
    }, "2000 start, 2000 healthy"],
    [
      "counts nothing while it cannot check",
      { outcomes: ["ok", "own", "own", "own", "ok"] },
      "0 start, 0 healthy, 1000 start, 2000 start, 3000 start, 4000 start",
    ],
    [
      "has a pause of a millisecond at least",
      { outcomes: ["ok", "ok"], intervalMs: 0 },
      "0 start, 0 healthy, 1 start",
    ],
  ];
  for (const [name, story, expected] of stories) {
    test(name, async () => {
      const { clock, loop, log } = new Played(story);
      loop.start();
      await clock.advance(60_000);
      assert.equal(log.join(", "), expected);
      assert.equal(clock.pending, 0);
    });
  }

  test("runs one check at a time", async () => {
    const { clock, loop, log } = new Played({ outcomes: ["ok", "ok"], checkMs: 100 });
    loop.start();
    loop.start();
    loop.checkNow();
    await clock.advance(50);
    assert.deepEqual(log, ["0 start"]);
  });

  test("checks at once when something has changed, if there was nothing to check", async () => {
    const { clock, loop, log } = new Played({ outcomes: ["none", "none", "ok", "ok"] });
    loop.start();
    await clock.advance(10);
    loop.checkNow();
    await clock.advance(10);
    assert.equal(loop.text, "tcp: no result yet");
    loop.checkNow();
    await clock.advance(10);
    loop.checkNow();
    await clock.advance(10);
    assert.deepEqual(log, ["20 start", "20 healthy"]);
  });

  test("says why it cannot check, until it can", async () => {
    const { clock, loop } = new Played({ outcomes: ["own", "ok"] });
    loop.start();
    await clock.advance(999);
    assert.equal(loop.text, "tcp: could not be checked: no descriptor");
    await clock.advance(1);
    assert.equal(loop.text, "tcp: status 200 (0 of 1 failed)");
  });

  test("stop() cancels a running check, and a late result changes nothing", async () => {
    const played = new Played({ outcomes: ["ok"], checkMs: 100 });
    played.loop.start();
    played.loop.stop();
    await played.clock.advance(1_000);
    assert.equal(played.cancelled, 1);
    played.answer?.(success("late"));
    assert.deepEqual(played.log, ["0 start"]);
    assert.equal(played.loop.health, UNKNOWN);
    assert.equal(played.clock.pending, 0);
  });
});

describe("LogLine", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  test("matches complete lines only, each stream by itself", () => {
    const log = new LogLine(/^ready$/);
    assert.equal(log.add(1, bytes("re")), false);
    assert.equal(log.add(2, bytes("x\n")), false);
    assert.equal(log.add(1, bytes("ady")), false);
    assert.equal(log.explanation, "none of 1 lines matched");
    assert.equal(log.add(1, bytes("\r\nmore")), true);
    assert.equal(log.found, "ready");
    assert.equal(log.add(1, bytes("\nready\n")), false, "only the first match counts");
  });

  test("decodes characters cut in two", () => {
    const log = new LogLine(/\u00e4 ready/);
    const [first, second] = [bytes("\u00e4").subarray(0, 1), bytes("\u00e4").subarray(1)];
    log.add(1, first);
    log.add(1, second);
    assert.equal(log.add(1, bytes(" ready\n")), true);
  });

  test("says that no line came", () => {
    assert.equal(new LogLine(/x/).explanation, "it printed no line");
  });
});

describe("Mutex", () => {
  test("admits one at a time, in the order of entering", () => {
    const mutex = new Mutex();
    const order: string[] = [];
    mutex.enter(() => order.push("a"));
    mutex.enter(() => order.push("b"));
    mutex.enter(() => order.push("c"));
    assert.deepEqual(order, ["a"]);
    mutex.leave();
    assert.deepEqual(order, ["a", "b"]);
    mutex.leave();
    mutex.leave();
    mutex.enter(() => order.push("d"));
    assert.deepEqual(order, ["a", "b", "c", "d"]);
  });
});
