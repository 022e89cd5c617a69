/**
 * What reloads cost clients that keep their connections and never pause: other restarters' own way beside baton's, on
 * the same machine, one after the other.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startBaton } from "../../../test/support/baton.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { Load, type Tally } from "../../../test/support/load.ts";
import { killTree } from "../../../test/support/proc.ts";
import { which } from "../../../test/support/programs.ts";
import { fixtureCommand, place, server, type ServerId } from "../../../test/support/servers.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import { pause } from "../proc.ts";
import type { Bench, Measured, Section } from "../section.ts";

const RELOADS = 6;
const CLIENTS = 16;
const BETWEEN_MS = 500;
/** start_server waits for a second before it tells the old process. */
const SLOW_BETWEEN_MS = 1_500;

interface KeepAliveRow {
  readonly name: string;
  readonly requests: number;
  readonly lost: number;
  readonly slowestMs: number;
  /** Connections that the server closed between two requests, in order. */
  readonly closed: number;
}

interface KeepAliveCase {
  readonly name: string;
  /** Why it cannot be measured here. */
  readonly needs: string | null;
  run(): Promise<Tally>;
}

export const KEEP_ALIVE: Section = { name: "keep-alive", isOfBuild: false, measure };

/** Clients that keep their connections, through other restarters' reloads and through baton's. */
async function measure(bench: Bench): Promise<Measured> {
  const results: KeepAliveRow[] = [];
  for (const each of CASES) {
    if (each.needs !== null) {
      bench.skip(`${each.name}: ${each.needs}`);
      continue;
    }
    bench.status(`keep-alive: ${each.name}`);
    results.push(await measureCase(each));
  }
  bench.table([
    [
      `${CLIENTS} clients without a pause, ${RELOADS} reloads`,
      "requests",
      "lost",
      "slowest, ms",
      "closed",
    ],
    ...results.map((
      { name, requests, lost, slowestMs, closed },
    ) => [name, ...[requests, lost, slowestMs, closed].map(String)]),
  ]);
  return { figures: {}, details: results };
}

function saturating(port: number): Load {
  return new Load({ port, clients: CLIENTS, mode: "keep-alive", maxDurationMs: 30_000 }).start();
}

/** Its own command and its own signal. */
async function native(
  command: readonly string[],
  port: number,
  options: { signal: NodeJS.Signals; betweenMs: number; env?: Record<string, string> },
): Promise<Tally> {
  const [program = "", ...argv] = command;
  const env = { ...Deno.env.toObject(), ...options.env };
  const child = spawn(program, argv, { stdio: "ignore", env });
  try {
    await waitUntil(() => fetch(`http://127.0.0.1:${port}/`).then((r) => r.ok, () => false), {
      what: `${program} answers`,
    });
    const load = saturating(port);
    for (let i = 0; i < RELOADS; i++) {
      await pause(options.betweenMs);
      child.kill(options.signal);
    }
    await pause(options.betweenMs);
    return await load.stop();
  } finally {
    if (child.pid !== undefined) killTree(child.pid);
  }
}

async function wrapped(id: ServerId, keepAlive: string): Promise<Tally> {
  using work = tempDir();
  const port = await freePort();
  await using baton = await startBaton({
    ...place(server(id), { port, workDir: work.path }),
    flags: ["--keep-alive", keepAlive, "--drain-time", "2s"],
  });
  const load = saturating(port);
  for (let i = 0; i < RELOADS; i++) {
    await pause(BETWEEN_MS);
    await baton.reload();
    await baton.settled();
  }
  return await load.stop();
}

function haproxyConfiguration(port: number, workDir: string): string {
  return [
    "global",
    `  stats socket ${join(workDir, "stats")} mode 600 level admin expose-fd listeners`,
    "defaults",
    "  mode http",
    "  timeout client 60s",
    "  timeout server 60s",
    "  timeout connect 5s",
    "frontend web",
    `  bind 127.0.0.1:${port}`,
    '  http-request return status 200 content-type text/plain lf-string "pid=%pid version=1"',
    "",
  ].join("\n");
}

const missing = (program: string, from: string) =>
  which(program) === null ? `${program} is not installed (Debian: ${from})` : null;

const CASES: readonly KeepAliveCase[] = [
  {
    name: "nginx, its own reload (HUP)",
    needs: server("nginx").needs(),
    run: async () => {
      using work = tempDir();
      const port = await freePort();
      const { command } = place(server("nginx"), { port, workDir: work.path });
      return await native(command, port, { signal: "SIGHUP", betweenMs: BETWEEN_MS });
    },
  },
  {
    name: "HAProxy, its own reload (USR2)",
    needs: missing("haproxy", "haproxy"),
    run: async () => {
      using work = tempDir();
      const port = await freePort();
      const path = join(work.path, "haproxy.cfg");
      writeFileSync(path, haproxyConfiguration(port, work.path));
      const command = [which("haproxy") ?? "", "-W", "-f", path];
      return await native(command, port, { signal: "SIGUSR2", betweenMs: BETWEEN_MS });
    },
  },
  {
    name: "start_server, Node (HUP)",
    needs: missing("start_server", "libserver-starter-perl") ?? server("node").needs(),
    run: async () => {
      const port = await freePort();
      const words = ["start_server", `--port=127.0.0.1:${port}`, "--"];
      const command = [...words, ...fixtureCommand("start_server_http.js")];
      return await native(command, port, { signal: "SIGHUP", betweenMs: SLOW_BETWEEN_MS });
    },
  },
  ...(["node", "go", "nginx"] as const).flatMap((id) =>
    ["leave", "migrate"].map((mode) => ({
      name: `baton --keep-alive ${mode}, ${id}`,
      needs: server(id).needs(),
      run: () => wrapped(id, mode),
    }))
  ),
];

async function measureCase({ name, run }: KeepAliveCase): Promise<KeepAliveRow> {
  const tally = await run();
  return {
    name,
    requests: tally.ok + tally.lost,
    lost: tally.lost,
    slowestMs: Math.round(tally.maxLatencyMs),
    closed: tally.idleCloses,
  };
}
