/** What stands in a candidate's way answers, whatever happens to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GenerationHandle } from "../../../src/generation/handle.ts";
import type { AdmissionCandidate } from "../../../src/generation/admission.ts";
import { ServiceHooks, type ServiceHooksOptions } from "../../../src/supervisor/service_hooks.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

test("a look at memory that throws is a candidate that has failed", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const config = { hook: [], preFlight: null, minFree: "auto" };
  const failure = await new Promise<string>((resolve, reject) => {
    const platform = { reactor: { onError: reject } };
    const options = { context: { config, platform }, onPhase: () => {} };
    const hooks = new ServiceHooks(options as unknown as ServiceHooksOptions);
    const candidate = { epoch: 1, hasExited: false, failWithoutProcess: resolve };
    const serving = {
      processes: () => {
        throw new Error("/proc is gone");
      },
    };
    const entrance = hooks.entrance(
      candidate as unknown as AdmissionCandidate & GenerationHandle,
      serving as unknown as GenerationHandle,
      "reload",
    );
    assert.ok(entrance);
    entrance.begin(() => reject(new Error("it is started all the same")));
  });
  assert.equal(failure, "--min-free: memory cannot be looked at: /proc is gone");
});
