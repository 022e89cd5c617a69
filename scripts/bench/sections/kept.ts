/** What a reload costs clients that keep their connections and never pause (`--keep-alive migrate`): the time of an answer. */
import { Load } from "../../../test/support/load.ts";
import type { ServerId } from "../../../test/support/servers.ts";
import type { Bench, Measured, Section } from "../section.ts";
import { withServer } from "./with_server.ts";

const SERVERS: readonly ServerId[] = ["node", "go", "nginx"];
const CLIENTS = [16, 256] as const;
/** Longer than `--drain-time`, after which connections that have not moved are cut. */
const SETTLE_MS = 90_000;
const TIMEOUT_MS = 30_000;
const LONGEST_MS = 600_000;
const MOST_REQUESTS = 5_000_000;

interface KeptRow {
  readonly id: ServerId;
  readonly clients: number;
  readonly requests: number;
  readonly lost: number;
  readonly moved: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
}

export const KEPT: Section = { name: "kept", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured> {
  const { runs } = bench.plan;
  const results: KeptRow[] = [];
  for (const id of SERVERS.filter(bench.available)) {
    for (const clients of CLIENTS) {
      bench.status(`kept connections: ${id}, ${clients} clients`);
      results.push(await reloads(id, clients, runs));
    }
  }
  const titles = [`kept, without a pause, ${runs} reloads`, "requests", "lost", "moved"];
  bench.table([
    [...titles, "99 %, ms", "slowest, ms"],
    ...results.map(({ id, clients, requests, lost, moved, p99Ms, slowestMs }) => [
      `${id}, ${clients} clients`,
      ...[requests, lost, moved, p99Ms, slowestMs].map((count) => count.toFixed(0)),
    ]),
  ]);
  const row = results.find(({ id, clients }) => id === "node" && clients === 256);
  const figures = row === undefined ? {} : { keptP99Ms: row.p99Ms, keptSlowestMs: row.slowestMs };
  return { figures, details: results };
}

const FLAGS = ["--keep-alive", "migrate"];
const LIMITS = {
  timeoutMs: TIMEOUT_MS,
  maxDurationMs: LONGEST_MS,
  maxRequests: MOST_REQUESTS,
};

async function reloads(id: ServerId, clients: number, runs: number): Promise<KeptRow> {
  return await withServer(id, async (baton, _command, port) => {
    const options = { port, clients, thinkTimeMs: 0, mode: "keep-alive" } as const;
    const load = new Load({ ...options, ...LIMITS }).start();
    await load.answersMore(clients);
    let moved = 0;
    for (let run = 0; run < runs; run++) {
      await baton.reload();
      moved += (await baton.settled(SETTLE_MS)).lastReload?.connectionsKept?.moved ?? 0;
      await load.answersMore(clients);
    }
    const { ok, lost, latencies, maxLatencyMs: slowestMs } = await load.stop();
    const p99Ms = latencies.percentile(0.99);
    return { id, clients, requests: ok + lost, lost, moved, p99Ms, slowestMs };
  }, FLAGS);
}
