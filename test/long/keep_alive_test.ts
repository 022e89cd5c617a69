/**
 * The whole promise of `--keep-alive migrate`: 16 and 256 clients that keep their connections, with three ways of
 * thinking, 20 reloads each, on every server that can be served. A quarter of an hour; `make test-long`.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { formatTally, Load } from "../support/load.ts";
import { place, server, type ServerId } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";

const RELOADS = 20;
const TIMEOUT_MS = 175_000;
const SERVERS: readonly ServerId[] = ["node", "bun", "deno", "go", "nginx", "uvicorn", "puma"];

async function reloads(id: ServerId, clients: number, thinkTimeMs: number): Promise<void> {
  using work = tempDir();
  const port = await freePort();
  await using baton = await startBaton({
    ...place(server(id), { port, workDir: work.path }),
    flags: ["--keep-alive", "migrate"],
  });
  const options = { port, clients, thinkTimeMs, mode: "keep-alive", timeoutMs: 30_000 } as const;
  const load = new Load({ ...options, maxDurationMs: TIMEOUT_MS, maxRequests: 5_000_000 }).start();
  await load.answersMore(clients);
  let moved = 0;
  for (let i = 0; i < RELOADS; i++) {
    await baton.reload();
    moved += (await baton.settled()).lastReload?.connectionsKept?.moved ?? 0;
    await load.answersMore(clients);
  }
  const tally = await load.stop();
  const { ok, lost, latencies } = tally;
  process.stderr.write(
    `  | ${id} | ${clients} | ${thinkTimeMs} ms | ${ok + lost} | ${lost} | ${moved} | ` +
      `${latencies.percentile(0.99)} ms | ${tally.maxLatencyMs.toFixed(0)} ms |\n`,
  );
  assert.equal(lost, 0, formatTally(tally) + baton.stderr);
  assert.ok(moved > 0, baton.stderr);
}

describe(`${RELOADS} reloads: server, clients, thinking, requests, lost, moved, p99, slowest`, () => {
  for (const id of SERVERS) {
    const skip = server(id).needs() ?? false;
    for (const clients of [16, 256]) {
      for (const thinkTimeMs of [0, 20, 500]) {
        const name = `${id}, ${clients} clients, ${thinkTimeMs} ms of thinking`;
        test(name, { timeout: TIMEOUT_MS, skip }, () => reloads(id, clients, thinkTimeMs));
      }
    }
  }
});
