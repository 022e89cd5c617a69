/**
 * Promise: a rolling update loses nothing, whether baton is the main process of the container, only its preStop
 * hook, or a sidecar, though the balancer goes on sending to a pod after it was told to end. Beside it, what the same update loses
 * without baton. The whole matrix of servers and lags is in test/system/rolling_updates_test.ts.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UNDER_TEST } from "../support/baton.ts";
import { noKubesim, rollingUpdate } from "../support/kubesim.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { losesNothing, scenarioOf } from "../support/rolling_update.ts";

const OPTIONS = { skip: noKubesim, timeout: TEST_TIMEOUT_MS };
/** What differs from the hook is HTTP, which the two runtimes do not differ in. */
const ONCE = { ...OPTIONS, skip: UNDER_TEST === "bun" ? noKubesim : "once is enough: on Bun" };

describe("a rolling update of 3 pods", () => {
  test("loses nothing for node, with baton as the main process", OPTIONS, async () => {
    await losesNothing({ server: "node", form: "entrypoint", lagMs: 1_000 });
  });

  test("loses nothing for nginx, with baton as the preStop hook", OPTIONS, async () => {
    await losesNothing({ server: "nginx", form: "prestop", lagMs: 1_000 });
  });

  test("loses no new connection for nginx, with baton as a sidecar", ONCE, async () => {
    const scenario = scenarioOf({ server: "nginx", form: "sidecar", lagMs: 1_000 });
    // What is kept is the business of the same code as in the hook, which the test above is about.
    const { fresh, endings, output } = await rollingUpdate({ ...scenario, clients: 2 });
    assert.ok(fresh.ok > 100, fresh.text);
    assert.equal(fresh.lost, 0, `${fresh.text}\n${JSON.stringify(endings)}\n${output}`);
    const statuses = endings.map(({ status, preStopStatus }) => [status, preStopStatus]);
    assert.deepEqual(statuses, endings.map(() => [0, 200]), output);
  });
});
