/**
 * Promise: a rolling update loses nothing, whether baton is the main process of the container, only its preStop
 * hook, or a sidecar, though the balancer goes on sending to a pod after it was told to end. Beside it, what the same update loses
 * without baton. The whole matrix of servers and lags is in test/system/rolling_updates_test.ts.
 */
import { describe, test } from "node:test";
import { UNDER_TEST } from "../support/baton.ts";
import { noKubesim } from "../support/kubesim.ts";
import { losesNothing } from "../support/rolling_update.ts";

const OPTIONS = { skip: noKubesim, timeout: 120_000 };
/** What differs from the hook is HTTP, which the two runtimes do not differ in. */
const ONCE = { ...OPTIONS, skip: UNDER_TEST === "bun" ? noKubesim : "once is enough: on Bun" };

describe("a rolling update of 3 pods", () => {
  test("loses nothing for node, with baton as the main process", OPTIONS, async () => {
    await losesNothing({ server: "node", form: "entrypoint", lagMs: 1_000 });
  });

  test("loses nothing for nginx, with baton as the preStop hook", OPTIONS, async () => {
    await losesNothing({ server: "nginx", form: "prestop", lagMs: 1_000 });
  });

  test("loses nothing for nginx, with baton as a sidecar", ONCE, async () => {
    await losesNothing({ server: "nginx", form: "sidecar", lagMs: 1_000 });
  });
});
