/**
 * What a look at a draining generation costs: system calls of baton, counted by strace, while one answer is owed and many
 * connections are kept; and how long `baton status` takes with as many.
 */
import { startBaton } from "../../../test/support/baton.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { place, server } from "../../../test/support/servers.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import { which } from "../../../test/support/programs.ts";
import type { Bench, Measured, Section } from "../section.ts";
import { type Spread, spread, spreadRow, timesOf } from "../spread.ts";

interface DrainCost {
  readonly connections: number;
  readonly looks: number;
  readonly callsPerLook: number;
  /** How many of these calls are readlink(2) of /proc/PID/fd. */
  readonly linksPerLook: number;
  readonly statusMs: Spread;
}

/** The drain looks four times a second by now. */
const WATCHED_MS = 4_000;
const OWED_MS = 60_000;
const STATUS_RUNS = 20;
const REQUEST = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
const SLOW_REQUEST = REQUEST.replace("/", `/slow?ms=${OWED_MS}`);
/** Connections that clients keep while a generation drains. */
const DRAINED_CONNECTIONS = [10, 1_000, 9_000];

export const DRAIN: Section = { name: "drain", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured | null> {
  if (!bench.available("go")) return null;
  if (which("strace") === null) {
    bench.skip("drain: strace is not installed");
    return null;
  }
  const results: DrainCost[] = [];
  for (const connections of DRAINED_CONNECTIONS) {
    bench.status(`drain, ${connections} connections`);
    results.push(await drainCost(connections));
  }
  bench.table([
    ["drain, connections", "system calls per look", "of /proc/PID/fd", "status, ms", "min", "max"],
    ...results.map(({ connections, callsPerLook, linksPerLook, statusMs }) =>
      spreadRow([connections, callsPerLook, linksPerLook].map(String), statusMs)
    ),
  ]);
  const most = results.at(-1);
  return {
    figures: most === undefined ? {} : { statusMs: most.statusMs.median },
    details: results,
  };
}

async function drainCost(connections: number): Promise<DrainCost> {
  using folder = tempDir("bench");
  const port = await freePort();
  const flags = ["--drain", "quiesce", "--drain-time", "2m"];
  await using baton = await startBaton({
    ...place(server("go"), { port, workDir: folder.path }),
    flags,
  });
  const kept: Deno.Conn[] = [];
  try {
    for (let i = 0; i < connections; i++) kept.push(await ask(port, REQUEST));
    kept.push(await ask(port, SLOW_REQUEST, false));
    const report = await baton.reload();
    if (report.result !== "ok") throw new Error(`${report.reason}`);
    await waitUntil(async () => {
      const { generations } = await baton.status();
      const { connections: counts } = generations.find(({ epoch }) => epoch === 0) ?? {};
      return (counts?.total ?? 0) > connections && counts?.busy === 1;
    }, { what: "one answer is owed", deadlineMs: 30_000 });
    const calls = await systemCalls(baton.pid);
    const statusMs = await timesOf(STATUS_RUNS, () => baton.status());
    // Each look opens one netlink socket, for the one port.
    const looks = calls.get("socket") ?? NaN;
    const sum = [...calls.values()].reduce((total, each) => total + each, 0);
    const links = (calls.get("readlink") ?? 0) + (calls.get("readlinkat") ?? 0);
    const perLook = (count: number) => Math.round(count / looks);
    return {
      connections,
      looks,
      callsPerLook: perLook(sum),
      linksPerLook: perLook(links),
      statusMs: spread(statusMs),
    };
  } finally {
    for (const connection of kept) connection.close();
  }
}

/** A kept connection, on which this was asked and, if it is waited for, answered. */
async function ask(port: number, request: string, waits = true): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(request));
  if (waits) await connection.read(new Uint8Array(4_096));
  return connection;
}

async function systemCalls(pid: number): Promise<Map<string, number>> {
  const strace = new Deno.Command("strace", {
    args: ["-f", "-c", "-U", "calls,name", "-p", String(pid)],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
  strace.kill("SIGINT");
  const { stderr } = await strace.output();
  const lines = new TextDecoder().decode(stderr).matchAll(/^ *(\d+) +([a-z_0-9]+) *$/gm);
  return new Map(
    [...lines].filter(([, , name]) => name !== "total").map(([, count, name = ""]) => [
      name,
      Number(count),
    ]),
  );
}
