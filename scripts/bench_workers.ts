/**
 * What several workers bring: how their connections are spread (`--spread`), how much one that is busy delays clients,
 * and how much more two of them answer than one, beside Node's own cluster and pm2.
 */
import { request } from "node:http";
import { startBare } from "../test/support/bare_server.ts";
import { type Baton, startBaton } from "../test/support/baton.ts";
import { freePort } from "../test/support/free_port.ts";
import { fixtureCommand } from "../test/support/servers.ts";
import { type Spread, spread } from "./bench_measure.ts";

export const SPREADS = ["random", "least", "cpu"] as const;
export type SpreadKind = typeof SPREADS[number];

const WORKERS = 4;
const SHARE_CONNECTIONS = 10_000;
const CLIENTS = 16;
/** New connections for `/`, at a fixed pace; one of the workers is blocked again and again. */
const PACE_MS = 5;
const BLOCK_MS = 200;
const BLOCK_EVERY_MS = 500;
const REQUEST_TIMEOUT_MS = 10_000;

export interface SpreadShares {
  readonly kind: SpreadKind;
  /** Of each worker, in percent, the largest first. */
  readonly percent: readonly number[];
  readonly errors: number;
}

export interface BlockedLatency {
  readonly kind: SpreadKind;
  readonly requests: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  readonly errors: number;
}

/** The share of each worker in 10,000 connections. */
export async function spreadShares(kind: SpreadKind): Promise<SpreadShares> {
  const port = await freePort();
  await using _baton = await workers("node", port, WORKERS, ["--spread", kind]);
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

/** New connections at a fixed pace, while every 500 ms one of 4 workers computes for 200 ms. */
export async function blockedLatency(
  kind: SpreadKind,
  seconds: number,
): Promise<BlockedLatency> {
  const port = await freePort();
  await using _baton = await workers("node", port, WORKERS, ["--spread", kind]);
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
      if (++ticks * PACE_MS < seconds * 1_000) return;
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
    p99Ms: at(0.99),
    slowestMs: at(1),
    errors,
  };
}

async function workers(
  language: "node" | "python",
  port: number,
  count: number,
  flags: readonly string[] = [],
): Promise<Baton> {
  const command = fixtureCommand(language === "node" ? "worker_http.js" : "worker_http.py");
  const env = { PORT: String(port) };
  return await startBaton({ command, env, flags: ["--workers", String(count), ...flags] });
}

/** One request on a connection of its own. @returns the pid of the process that answered */
function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", path, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(String(response.headers["x-pid"])));
      response.on("error", reject);
    });
    sent.setTimeout(REQUEST_TIMEOUT_MS, () => sent.destroy(new Error("timed out")));
    sent.on("error", reject);
    sent.end();
  });
}
