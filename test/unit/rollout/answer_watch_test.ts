/** What Envoy counts of a generation on trial, over the shares that it has one after the other. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AnswerCounts } from "../../../src/front/acknowledgement.ts";
import type { RunningContext } from "../../../src/generation/context.ts";
import { AnswerWatch } from "../../../src/rollout/answer_watch.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const LOOK_MS = 250;

function scene() {
  const clock = new FakeClock();
  const counts = new Map<number, AnswerCounts>();
  const reasons: string[] = [];
  const context = {
    front: { answers: () => Promise.resolve(new Map(counts)) },
    platform: { clock, reactor: { onError: (error: unknown) => assert.fail(String(error)) } },
    config: { rollbackOn: "5xx" },
    dispatch: ({ reason }: { reason: string }) => void reasons.push(reason),
  } as unknown as RunningContext;
  const watch = new AnswerWatch(context);
  const share = async (candidate = 1) => {
    watch.begin({ epoch: candidate }, { epoch: candidate - 1 });
    await clock.advance(0);
  };
  const come = async (epoch: number, requests: number, errors: number) => {
    const before = counts.get(epoch) ?? { requests: 0, errors: 0 };
    counts.set(epoch, { requests: before.requests + requests, errors: before.errors + errors });
    await clock.advance(LOOK_MS);
  };
  return { watch, share, come, reasons };
}

describe("AnswerWatch", () => {
  it("adds up what comes at several shares: of few requests, each counts", async () => {
    const { share, come, reasons } = scene();
    await share();
    await come(1, 2, 2);
    await share();
    assert.deepEqual(reasons, []);
    await come(1, 1, 1);
    assert.match(reasons[0] ?? "none", /^3 of 3 requests/);
  });

  it("what went well at an earlier share hides nothing", async () => {
    const { share, come, reasons } = scene();
    await share();
    await come(1, 10_000, 0);
    await share();
    await come(1, 20, 10);
    assert.match(reasons[0] ?? "none", /^10 of 20 requests/);
  });

  it("shows the share that it has now", async () => {
    const { share, come, watch } = scene();
    await share();
    await come(1, 10, 0);
    await share();
    assert.equal(watch.seen, null);
    await come(0, 30, 0);
    await come(1, 10, 0);
    assert.deepEqual(watch.seen, { percent: 25, connections: 40 });
    watch.end();
  });

  it("begins again with another generation", async () => {
    const { share, come, reasons } = scene();
    await share(1);
    await come(1, 2, 2);
    await share(2);
    await come(2, 2, 2);
    assert.deepEqual(reasons, []);
  });
});
