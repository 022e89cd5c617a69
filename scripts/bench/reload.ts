/** How long a reload takes, from the request to the switch. */
import type { ServerId } from "../../test/support/servers.ts";
import type { Bench, Measured, Section } from "./section.ts";
import { type Spread, spread, spreadRow } from "./spread.ts";
import { withServer } from "./with_server.ts";

const SERVERS: readonly ServerId[] = ["node", "go", "nginx"];

export const RELOAD: Section = { name: "reload", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured> {
  const rows = [["reload, ms", "median", "min", "max"]];
  const results: Partial<Record<ServerId, Spread>> = {};
  for (const id of SERVERS.filter(bench.available)) {
    bench.status(`reload ${id}`);
    const result = await reloads(id, bench.plan.runs);
    results[id] = result;
    rows.push(spreadRow(id, result, 0));
  }
  bench.table(rows);
  const go = results.go?.median;
  return { figures: go === undefined ? {} : { goReloadMs: go }, details: results };
}

async function reloads(id: ServerId, runs: number): Promise<Spread> {
  return await withServer(id, async (baton) => {
    const times: number[] = [];
    for (let run = 0; run < runs; run++) {
      const report = await baton.reload();
      if (report.result !== "ok") throw new Error(`reload ${report.result}: ${report.reason}`);
      times.push(report.durationMs);
      await baton.settled();
    }
    return spread(times);
  });
}
