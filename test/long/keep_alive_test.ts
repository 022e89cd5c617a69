/**
 * The whole promise of `--keep-alive migrate`: 16 and 256 clients that keep their connections, with three ways of
 * thinking, 20 reloads each, on every server that can be served. A quarter of an hour; `make test-long`.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { formatTally, Load } from "../support/load.ts";
import { buildHyper, FIXTURES, which } from "../support/programs.ts";
import { place, type Runnable, server, type ServerId } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";

const RELOADS = 20;
const TIMEOUT_MS = 600_000;
/** Longer than --drain-time, after which connections that have not moved are cut. */
const SETTLE_MS = 90_000;
interface Subject {
  readonly name: string;
  /** Why it cannot run here. */
  readonly needs: () => string | null;
  place(port: number, workDir: string): Runnable;
}

/** What would end connections without any reload: room for as many clients as there are here. */
const ROOM: Readonly<Partial<Record<ServerId, (command: readonly string[]) => string[]>>> = {
  // It keeps 200 idle connections, and closes the others.
  java: ([java = "", ...rest]) => [java, "-Dsun.net.httpserver.maxIdleConnections=1000", ...rest],
  // A thread waits for the next request of its client: eight do not serve 256.
  puma: (command) => command.map((word) => word === "8:8" ? "128:128" : word),
};

/** docs/keep-alive.md has the figures of these, and why. */
function whyNotServed(name: string, thinkTimeMs: number): string | null {
  const waits = name === "gunicorn, threads" && thinkTimeMs === 0;
  return waits
    ? "its clients never pause, and a connection read in blocking mode is not paused"
    : null;
}

const IDS: readonly ServerId[] = ["node", "bun", "deno", "go", "nginx", "uvicorn", "puma", "java"];
const SUBJECTS: readonly Subject[] = [
  ...IDS.map((id) => ({
    name: id,
    needs: () => server(id).needs(),
    place: (port: number, workDir: string) => {
      const runnable = place(server(id), { port, workDir });
      return { ...runnable, command: ROOM[id]?.(runnable.command) ?? runnable.command };
    },
  })),
  {
    name: "gunicorn, threads",
    needs: () => server("gunicorn").needs(),
    place: (port) => {
      const kind = ["--worker-class", "gthread", "--threads", "16", "--keep-alive", "60"];
      const where = ["--chdir", FIXTURES, "--bind", `127.0.0.1:${port}`, "wsgi_app:app"];
      return { command: ["gunicorn", ...kind, ...where], env: {} };
    },
  },
  {
    name: "Caddy",
    needs: () => which("caddy") === null ? "caddy is not installed" : null,
    place: (port, workDir) => {
      const path = join(workDir, "Caddyfile");
      const site = `http://127.0.0.1:${port} {\n  respond "pid=1 version=1"\n}\n`;
      writeFileSync(path, `{\n  admin off\n  auto_https off\n}\n${site}`);
      const command = ["caddy", "run", "--config", path, "--adapter", "caddyfile"];
      return { command, env: { HOME: workDir } };
    },
  },
  {
    name: "hyper",
    needs: () => which("cargo") === null ? "cargo is not installed" : null,
    place: (port) => ({ command: [buildHyper()], env: { PORT: String(port) } }),
  },
];

async function reloads(subject: Subject, clients: number, thinkTimeMs: number): Promise<void> {
  using work = tempDir();
  const port = await freePort();
  await using baton = await startBaton({
    ...subject.place(port, work.path),
    flags: ["--keep-alive", "migrate"],
  });
  const options = { port, clients, thinkTimeMs, mode: "keep-alive", timeoutMs: 30_000 } as const;
  const load = new Load({ ...options, maxDurationMs: TIMEOUT_MS, maxRequests: 5_000_000 }).start();
  await load.answersMore(clients);
  let moved = 0;
  for (let i = 0; i < RELOADS; i++) {
    await baton.reload();
    moved += (await baton.settled(SETTLE_MS)).lastReload?.connectionsKept?.moved ?? 0;
    await load.answersMore(clients);
  }
  const tally = await load.stop();
  const { ok, lost, latencies } = tally;
  process.stderr.write(
    `  | ${subject.name} | ${clients} | ${thinkTimeMs} ms | ${ok + lost} | ${lost} | ${moved} | ` +
      `${latencies.percentile(0.99)} ms | ${tally.maxLatencyMs.toFixed(0)} ms |\n`,
  );
  assert.equal(lost, 0, formatTally(tally) + baton.stderr);
  assert.ok(moved > 0, baton.stderr);
}

describe(`${RELOADS} reloads: server, clients, thinking, requests, lost, moved, p99, slowest`, () => {
  for (const subject of SUBJECTS) {
    const skip = subject.needs() ?? false;
    for (const clients of [16, 256]) {
      for (const thinkTimeMs of [0, 20, 500]) {
        const name = `${subject.name}, ${clients} clients, ${thinkTimeMs} ms of thinking`;
        const why = skip || (whyNotServed(subject.name, thinkTimeMs) ?? false);
        test(
          name,
          { timeout: TIMEOUT_MS, skip: why },
          () => reloads(subject, clients, thinkTimeMs),
        );
      }
    }
  }
});
