/** A stop in a pod: what waiting for the load balancers takes beyond its minimum comes off the drain time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GracefulService, type GracefulServiceOptions } from "../../../src/pod/graceful_service.ts";
import { FakeClock } from "../../support/fake_clock.ts";

describe("GracefulService", () => {
  it("deducts what the lame duck phase takes beyond its minimum from the drain time", async () => {
    const clock = new FakeClock();
    const stops: (number | undefined)[] = [];
    const service = new GracefulService({
      platform: { clock },
      config: { drainTimeMs: 8000, stopTimeMs: 2000, quietMs: 60_000, readyDelayMs: 0 },
      logger: { info: () => {} },
      minDrainMs: 1000,
      exceptPort: null,
      inPod: false,
      ports: () => [1],
      probesAccepted: () => 0,
      supervisor: {
        servingEpoch: 0,
        stopLiveChecks: () => {},
        stop: (spentMs?: number) => stops.push(spentMs),
      },
    } as unknown as GracefulServiceOptions);
    // It is never quiet for long enough, so the phase lasts as long as it may: half of the drain time beyond its minimum.
    service.pod.traffic.sample = () => null;
    service.stop();
    await clock.advance(4999);
    assert.deepEqual(stops, []);
    await clock.advance(200);
    assert.equal(stops.length, 1);
    assert.ok((stops[0] ?? 0) >= 4000 && (stops[0] ?? 0) <= 4200, `${stops[0]} ms`);
  });
});
