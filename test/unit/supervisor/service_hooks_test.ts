/** An admission step answers, whatever happens to it, and asks for no more memory than is needed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GenerationHandle } from "../../../src/generation/handle.ts";
import { Timelines } from "../../../src/report/timelines.ts";
import { type HookParts, ServiceHooks } from "../../../src/supervisor/service_hooks.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const WORKERS_AT_ONCE = 1;

test(
  "a look at memory is for the workers that start at once; if it throws the candidate is rejected",
  {
    timeout: TEST_TIMEOUT_MS,
  },
  async () => {
    const config = { hook: [], preFlight: null, minFree: "auto" };
    let asked: number | undefined;
    const reason = await new Promise<string | undefined>((resolve, reject) => {
      const platform = { reactor: { onError: reject }, clock: new FakeClock() };
      const history = { timelines: new Timelines() };
      const parts = { context: { config, platform }, history, options: {} };
      const hooks = new ServiceHooks(parts as unknown as HookParts);
      const serving = {
        processes: (workers?: number) => {
          asked = workers;
          throw new Error("/proc is gone");
        },
      };
      const steps = hooks.admissionSteps(serving as unknown as GenerationHandle, "reload", {
        plan: "files",
        waits: false,
        workers: WORKERS_AT_ONCE,
      });
      steps?.beforeStart({ epoch: 1, pid: null }, (veto) => resolve(veto?.reason));
    });
    assert.equal(reason, "--min-free: memory cannot be looked at: /proc is gone");
    assert.equal(asked, WORKERS_AT_ONCE);
  },
);
