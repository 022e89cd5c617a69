/** How long a reload takes, from its signal to the moment when the new generation gets the connections. */
import type { ServerId } from "../../../test/support/servers.ts";
import { setImmediate } from "node:timers";
import type { Baton } from "../../../test/support/baton.ts";
import type { Bench, Measured, Section } from "../section.ts";
import { type Spread, spread, spreadRow } from "../spread.ts";
import { withServer } from "./with_server.ts";

const RELOAD_DEADLINE_MS = 30_000;
const SERVERS: readonly ServerId[] = ["node", "go", "nginx"];

export const RELOAD: Section = { name: "reload", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured> {
  const rows = [["reload, from the signal, ms", "median", "min", "max"]];
  const results: Partial<Record<ServerId, Spread>> = {};
  for (const id of SERVERS.filter(bench.available)) {
    bench.status(`reload ${id}`);
    const result = await reloads(id, bench.plan.runs);
    results[id] = result;
    rows.push(spreadRow(id, result));
  }
  bench.table(rows);
  const go = results.go?.median;
  return { figures: go === undefined ? {} : { goReloadMs: go }, details: results };
}

async function reloads(id: ServerId, runs: number): Promise<Spread> {
  return await withServer(id, async (baton) => {
    const times: number[] = [];
    for (let run = 0; run < runs; run++) {
      const signaledAt = performance.now();
      baton.signal("SIGHUP");
      await said(baton, `generation ${run + 1} serves`);
      times.push(performance.now() - signaledAt);
      await baton.settled();
    }
    return spread(times);
  });
}

/** Baton says so right after the switch. */
async function said(baton: Baton, what: string): Promise<void> {
  const deadline = performance.now() + RELOAD_DEADLINE_MS;
  while (!baton.stderr.includes(what)) {
    if (performance.now() > deadline) throw new Error(`Waited for "${what}":\n${baton.stderr}`);
    // Each turn of the event loop reads what has come.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
