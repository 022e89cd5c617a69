/**
 * System: pods end while a balancer, which hears of it 0, 1 or 3 s late, goes on sending to them; for servers that know
 * nothing of it, close at once, or ignore TERM.
 *
 * Allowed outcome: no request is lost, with baton as the main process or as the preStop hook. The same updates without
 * baton lose some, and are printed beside.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { UNDER_TEST } from "../support/baton.ts";
import { noKubesim, type Scenario } from "../support/kubesim.ts";
import { lostBy } from "../support/rolling_update.ts";
import { server } from "../support/servers.ts";

const SERVERS: readonly Scenario["server"][] = ["node", "go", "python", "nginx", "ignores_term"];
/** At the same time; most of it is waiting. */
const AT_ONCE = 2;
const LAGS_MS = [0, 1_000, 3_000];
/** The other runtime differs in nothing that depends on lag or form. */
const ONLY_BUN = UNDER_TEST === "bun" ? noKubesim : "once is enough: on Bun";
const OPTIONS = { skip: ONLY_BUN, timeout: 170_000 };

async function table(form: Scenario["form"], lagMs: number): Promise<Map<string, number>> {
  const queue = SERVERS.filter((id) => id === "ignores_term" || server(id).needs() === null);
  const lost = new Map<string, number>();
  const problems: string[] = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const result = await lostBy({ server: id, form, lagMs });
      process.stdout.write(`${result.text.split("\n")[0]}\n`);
      lost.set(id, result.lost);
      if (result.lost > 0) problems.push(result.text);
    }
  }));
  if (form !== "bare") assert.deepEqual(problems, []);
  return lost;
}

describe("rolling updates with a balancer that is late", () => {
  for (const lagMs of LAGS_MS) {
    for (const form of ["entrypoint", "prestop"] as const) {
      const isFirst = lagMs === 0 && form === "entrypoint";
      const options = { ...OPTIONS, skip: isFirst ? noKubesim : ONLY_BUN };
      test(`lag ${lagMs} ms, ${form}: nothing is lost`, options, async () => {
        await table(form, lagMs);
      });
    }
  }

  test("without baton every server loses something", OPTIONS, async () => {
    const lost = await table("bare", 3_000);
    assert.deepEqual([...lost].filter(([, count]) => count === 0), [], "counter-proof");
  });
});
