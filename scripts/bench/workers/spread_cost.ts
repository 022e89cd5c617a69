/** How connections are spread over 4 workers, and how much one that is busy delays the clients of all. */
import { freePort } from "../../../test/support/free_port.ts";
import { get, startWorkers } from "./servers.ts";

export const SPREADS = ["random", "least", "cpu"] as const;
type SpreadKind = typeof SPREADS[number];

const WORKERS = 4;
const SHARE_CONNECTIONS = 10_000;
const CLIENTS = 16;
/** Pause between new connections. */
const PACE_MS = 4;
const BLOCK_MS = 200;
const BLOCK_EVERY_MS = 1_000;
const MS_PER_SECOND = 1_000;

export interface SpreadShares {
  readonly kind: SpreadKind;
  /** Share of each worker, the largest first. */
  readonly percent: readonly number[];
  readonly errors: number;
}

export interface BlockedLatency {
  readonly kind: SpreadKind;
  readonly requests: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  readonly errors: number;
}

/** The share of each worker in 10,000 connections. */
export async function spreadShares(kind: SpreadKind): Promise<SpreadShares> {
  const port = await freePort();
  await using _baton = await startWorkers("node", port, WORKERS, ["--spread", kind]);
  const counts = new Map<string, number>();
  let [left, errors] = [SHARE_CONNECTIONS, 0];
  const client = async () => {
    while (left-- > 0) {
      const pid = await get(port, "/").catch(() => null);
      if (pid === null) errors++;
      else counts.set(pid, (counts.get(pid) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const percent = [...counts.values()].map((count) => count / SHARE_CONNECTIONS * 100);
  return { kind, percent: percent.toSorted((a, b) => b - a), errors };
}

/** New connections at a fixed pace, while once a second one of 4 workers computes for 200 ms. */
export async function blockedLatency(kind: SpreadKind, seconds: number): Promise<BlockedLatency> {
  const port = await freePort();
  await using _baton = await startWorkers("node", port, WORKERS, ["--spread", kind]);
  const latencies: number[] = [];
  let errors = 0;
  const ask = async (path: string) => {
    const startedMs = performance.now();
    try {
      await get(port, path);
      if (path === "/") latencies.push(performance.now() - startedMs);
    } catch {
      errors++;
    }
  };
  const pending: Promise<void>[] = [];
  await new Promise<void>((resolve) => {
    let ticks = 0;
    const timer = setInterval(() => {
      if (ticks % (BLOCK_EVERY_MS / PACE_MS) === 0) pending.push(ask(`/block?${BLOCK_MS}`));
      pending.push(ask("/"));
      if (++ticks * PACE_MS < seconds * MS_PER_SECOND) return;
      clearInterval(timer);
      resolve();
    }, PACE_MS);
  });
  await Promise.all(pending);
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.ceil(sorted.length * part) - 1] ?? NaN;
  return {
    kind,
    requests: sorted.length,
    medianMs: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    slowestMs: at(1),
    errors,
  };
}
