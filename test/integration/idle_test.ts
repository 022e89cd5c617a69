/**
 * The promise: a baton with nothing to do does not wake up, and what a burst has taken goes back to the kernel. The
 * variable that the binary sets for itself reaches nothing that it starts.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { children } from "../support/proc.ts";
import { IS_FULL } from "../support/repeats.ts";
import { place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

/** The runtime's own timer would fire twice meanwhile. */
const QUIET_MS = 2_500;
/** Later the runtime's own timer is slow. */
const DEADLINE_MS = 20_000;
/** More than what baton waits after something has happened. */
const LONG_QUIET_MS = 16_000;
const RELOADS = 50;
const BACK_WITHIN_BYTES = 2 * 1024 * 1024;
const BYTES_PER_KIB = 1024;
const ofBun = {
  timeout: TEST_TIMEOUT_MS,
  skip: process.env["BATON_UNDER_TEST"] === "deno" ? "V8 has timers of its own" : false,
};

/** How often a process has waited for something, all threads together. */
function waits(pid: number): number {
  const counts = readdirSync(`/proc/${pid}/task`).map((task) => {
    const text = readFileSync(`/proc/${pid}/task/${task}/status`, "utf8");
    return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)?.[1]);
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

async function untilAsleep({ pid }: Baton, quietMs = QUIET_MS, deadlineMs = DEADLINE_MS) {
  let [last, since] = [-1, 0];
  await waitUntil(() => {
    const now = waits(pid);
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since >= quietMs;
  }, { what: `baton did not wake up for ${quietMs} ms`, deadlineMs });
}

function anonymousBytes({ pid }: Baton): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Anonymous:\s+(\d+) kB/m.exec(text)?.[1]) * BYTES_PER_KIB;
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

  test(
    `has given back what ${RELOADS} reloads have taken`,
    { ...ofBun, skip: ofBun.skip || (IS_FULL ? false : "only with BATON_TEST_FULL=1") },
    async () => {
      using work = tempDir();
      await using baton = await startNode([], work.path);
      // The first one loads what the others need, too.
      await reload(baton);
      await untilAsleep(baton, LONG_QUIET_MS, TEST_TIMEOUT_MS);
      const before = anonymousBytes(baton);
      for (let i = 0; i < RELOADS; i++) await reload(baton);
      await untilAsleep(baton, LONG_QUIET_MS, TEST_TIMEOUT_MS);
      const after = anonymousBytes(baton);
      assert.ok(after <= before + BACK_WITHIN_BYTES, `${before} bytes before, ${after} after`);
    },
  );
});
