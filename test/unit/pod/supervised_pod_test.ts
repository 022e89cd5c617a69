/** A stop in a pod: what waiting for the load balancers takes beyond its minimum comes off the drain time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { supervisedPod, type SupervisedPodOptions } from "../../../src/pod/supervised_pod.ts";
import type { Supervisor } from "../../../src/supervisor/supervisor.ts";
import { FakeClock } from "../../support/fake_clock.ts";

describe("supervisedPod()", () => {
  it("deducts what the lame duck phase takes beyond its minimum from the drain time", async () => {
    const clock = new FakeClock();
    const stops: (number | undefined)[] = [];
    const supervisor = {
      servingEpoch: 0,
      stopLiveChecks: () => {},
      stop: (spentMs?: number) => stops.push(spentMs),
    } as unknown as Supervisor;
    const pod = supervisedPod(supervisor, {
      platform: { clock },
      config: {
        admin: null,
        drainTimeMs: 8000,
        stopTimeMs: 2000,
        quietMs: 60_000,
        readyDelayMs: 0,
      },
      logger: { info: () => {} },
      setup: { minDrainMs: 1000, probeAddress: null, inPod: false },
      ports: () => [1],
      portsAccepted: () => 0,
    } as unknown as SupervisedPodOptions);
    // It is never quiet for long enough, so the phase lasts as long as it may: half of the drain time beyond its minimum.
    pod.traffic.sample = () => null;
    pod.stop();
    await clock.advance(4999);
    assert.deepEqual(stops, []);
    await clock.advance(200);
    assert.equal(stops.length, 1);
    assert.ok((stops[0] ?? 0) >= 4000 && (stops[0] ?? 0) <= 4200, `${stops[0]} ms`);
  });
});
