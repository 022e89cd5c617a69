/** When metrics and spans are sent, by whom, and what happens when no one receives them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OtlpPush } from "../../../../src/metrics/otlp/push.ts";
import { type LastReload, NO_STORY } from "../../../../src/report/snapshot.ts";
import type { Step } from "../../../../src/report/step.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

const INTERVAL_MS = 60_000;
const TIMES = { nowMs: 0, countedSinceMs: 0, processStartedAtMs: 0 };

/** Lets all promises that can go on go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function step(fields: { isAnswered?: boolean; isAway?: boolean; phases?: number } = {}): Step {
  const { isAnswered = false, isAway = false, phases = 0 } = fields;
  const lastReload: LastReload = {
    ...NO_STORY,
    epoch: 1,
    result: "ok",
    reason: null,
    durationMs: 5,
    connectionsCut: 0,
    connectionsUndecided: 0,
    connectionsKept: null,
    phases: Array.from({ length: phases }, (_, i) => ({ phase: `p${i}`, epoch: 1, durationMs: 1 })),
  };
  return {
    effects: isAnswered ? [{ kind: "reload_result" }] : [],
    after: { shutdown: isAway ? { handedOver: 1 } : null },
    history: { lastReload },
  } as unknown as Step;
}

function setUp() {
  const clock = new FakeClock();
  const sent: string[] = [];
  const said: string[] = [];
  const receiver = { isDown: false, gate: Promise.resolve() };
  const send = async (what: string) => {
    await receiver.gate;
    if (receiver.isDown) throw new Error("connection refused");
    sent.push(what);
  };
  const push = new OtlpPush({
    clock,
    intervalMs: INTERVAL_MS,
    url: "http://collector",
    load: () => {
      sent.push("load");
      return Promise.resolve({
        sendMetrics: () => send("metrics"),
        sendSpans: (spans) => send(`${spans.length} spans`),
      });
    },
    collect: () => ({ families: [], times: TIMES }),
    log: { info: (text) => said.push(text), warn: (text) => said.push(text) },
  });
  return { clock, push, sent, said, receiver };
}

describe("OtlpPush", () => {
  it("sends metrics at once, and then at intervals", async () => {
    const { clock, push, sent } = setUp();
    push.start();
    await settle();
    assert.deepEqual(sent, ["load", "metrics"]);
    await clock.advance(INTERVAL_MS);
    await settle();
    assert.deepEqual(sent, ["load", "metrics", "metrics"]);
    assert.equal(clock.pending, 1);
  });

  it("loads and sends nothing before it is started, and sets no timer", async () => {
    const { clock, push, sent } = setUp();
    push.onStep(step({ isAnswered: true }));
    await settle();
    assert.deepEqual([sent, clock.pending], [[], 0]);
  });

  it("sends the spans of a reload when that is answered", async () => {
    const { push, sent } = setUp();
    push.start();
    await settle();
    push.onStep(step({ isAnswered: true, phases: 2 }));
    await settle();
    assert.deepEqual(sent, ["load", "metrics", "3 spans"]);
  });

  it("is silent while another baton has the service, and continues when that gives it back", async () => {
    const { clock, push, sent } = setUp();
    push.start();
    await settle();
    push.onStep(step({ isAway: true }));
    push.onStep(step({ isAway: true, isAnswered: true }));
    await settle();
    assert.deepEqual([sent, clock.pending], [["load", "metrics"], 0]);
    push.onStep(step());
    await settle();
    assert.deepEqual(sent, ["load", "metrics", "metrics"]);
    push.close();
    assert.equal(clock.pending, 0);
  });

  it("says once that nothing is received, and once that it is again, with what was lost", async () => {
    const { clock, push, said, receiver } = setUp();
    receiver.isDown = true;
    push.start();
    push.onStep(step({ isAnswered: true, phases: 2 }));
    await settle();
    for (let i = 0; i < 3; i++) {
      await clock.advance(INTERVAL_MS);
      await settle();
    }
    const problem =
      "to http://collector: connection refused; the next ones are tried again (--otlp)";
    assert.deepEqual(said, [`cannot send metrics ${problem}`, `cannot send traces ${problem}`]);
    receiver.isDown = false;
    push.onStep(step({ isAnswered: true }));
    await clock.advance(INTERVAL_MS);
    await settle();
    assert.deepEqual(said.slice(2).toSorted(), [
      "metrics are sent to http://collector again",
      "traces are sent to http://collector again; 3 spans were dropped",
    ]);
  });

  it("keeps a bounded number of spans for a receiver that does not answer", async () => {
    const { push, sent, receiver } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.gate = promise;
    push.start();
    for (let i = 0; i < 100; i++) {
      push.onStep(step({ isAnswered: true, phases: 9 }));
      await settle();
    }
    resolve();
    await settle();
    assert.deepEqual(sent.slice(1).toSorted(), ["10 spans", "128 spans", "metrics"]);
  });

  it("has one sending of metrics under way", async () => {
    const { clock, push, sent, receiver } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.gate = promise;
    push.start();
    for (let i = 0; i < 5; i++) {
      await clock.advance(INTERVAL_MS);
      await settle();
    }
    resolve();
    await settle();
    assert.deepEqual(sent, ["load", "metrics"]);
  });
});
