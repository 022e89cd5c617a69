/**
 * The promise: a baton with nothing to do does not wake up. The variable that the binary sets for itself reaches nothing that it starts.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { children, wakeups } from "../support/proc.ts";
import { IS_FULL } from "../support/repeats.ts";
import { place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

/** The runtime's own timer would fire twice meanwhile. */
const QUIET_MS = 2_500;
/** From then on that timer fires each 30 s only. A busy machine may need longer until all garbage is swept. */
const SLOW_FROM_MS = 20_000;
const SLOW_QUIET_MS = 35_000;
const DEADLINE_MS = 150_000;
const ofBun = {
  timeout: TEST_TIMEOUT_MS,
  skip: process.env["BATON_UNDER_TEST"] === "deno" ? "V8 has timers of its own" : false,
};

async function untilAsleep({ pid }: Baton) {
  const startedAt = performance.now();
  let [last, since] = [-1, startedAt];
  await waitUntil(() => {
    const [now, nowMs] = [wakeups(pid), performance.now()];
    // None: it is gone.
    if (now !== last || now === 0) [last, since] = [now, nowMs];
    const enoughMs = since - startedAt < SLOW_FROM_MS ? QUIET_MS : SLOW_QUIET_MS;
    return nowMs - since >= enoughMs;
  }, { what: "baton does not wake up", deadlineMs: DEADLINE_MS });
}

async function startNode(flags: readonly string[], workDir: string): Promise<Baton> {
  return await startBaton({ ...place(server("node"), { port: await freePort(), workDir }), flags });
}

async function reload(baton: Baton): Promise<void> {
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  await baton.settled();
}

describe("an idle baton", () => {
  for (const kind of IS_FULL ? ["", "--survive", "--shutdown-only"] : ["", "--shutdown-only"]) {
    test(`run ${kind}: sleeps until something happens`, ofBun, async () => {
      using work = tempDir();
      await using baton = await startNode(kind === "" ? [] : [kind], work.path);
      if (kind === "") await reload(baton);
      await untilAsleep(baton);
      for (const pid of children(baton.pid)) {
        assert.doesNotMatch(readFileSync(`/proc/${pid}/environ`, "utf8"), /BUN_/);
      }
    });
  }
});
