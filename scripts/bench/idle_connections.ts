/**
 * Connections that clients keep open in silence: what a reload and `baton status` cost with them, and how that grows with
 * their number. A Node server; one request on each connection, then nothing.
 */
import { startBaton } from "../../test/support/baton.ts";
import { freePort } from "../../test/support/free_port.ts";
import { findNode, which } from "../../test/support/programs.ts";
import { waitUntil } from "../../test/support/wait_until.ts";
import { cpuSeconds, pause } from "./proc.ts";
import type { Bench, Measured, Section } from "./section.ts";
import { spread } from "./spread.ts";

interface IdleDrain {
  readonly connections: number;
  readonly statusMs: number;
  readonly statusCpuMs: number;
  /** From the switch to the exit of the old generation, without `--quiet`. */
  readonly afterQuietMs: number;
  /** Of baton, for the whole reload. */
  readonly cpuSeconds: number;
  readonly cut: number;
  readonly undecided: number;
}

const QUIET_MS = 500;
const FLAGS = ["--drain-time", "6s"];
const DEADLINE_MS = 60_000;
/** So that the latest answers are not among the others' silence. */
const SILENT_MS = 2_000;
const STATUS_RUNS = 10;
const COUNTS = [10, 1_000, 9_000];
const ROW_COUNT = 9_000;
/** Descriptors that are not connections. */
const SPARE_FILES = 1_000;
const HERE = new URL(".", import.meta.url).pathname;

export const IDLE_CONNECTIONS: Section = { name: "idle-connections", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured | null> {
  const node = findNode();
  if (node === null || which("prlimit") === null) {
    bench.skip("idle connections: node or prlimit is not installed");
    return null;
  }
  const results: IdleDrain[] = [];
  for (const connections of COUNTS) {
    bench.status(`${connections} idle connections`);
    if (!canOpen(connections)) {
      bench.skip(`${connections} idle connections: the limit of open files cannot be raised`);
      continue;
    }
    results.push(await idleDrain(node, connections));
  }
  bench.table([
    [
      "idle connections, Node",
      "status, ms",
      "its CPU, ms",
      "drained after --quiet, ms",
      "CPU of the reload, s",
      "cut",
      "undecided",
    ],
    ...results.map((result) => [
      String(result.connections),
      result.statusMs.toFixed(0),
      result.statusCpuMs.toFixed(1),
      result.afterQuietMs.toFixed(0),
      result.cpuSeconds.toFixed(2),
      String(result.cut),
      String(result.undecided),
    ]),
  ]);
  const row = results.find(({ connections }) => connections === ROW_COUNT);
  const figures = row === undefined ? {} : {
    drainAfterQuietMs: row.afterQuietMs,
    drainCpuSeconds: row.cpuSeconds,
    drainCut: row.cut,
  };
  return { figures, details: results };
}

/** The words in front of a program that needs so many descriptors. */
function withFiles(connections: number): string[] {
  return ["prlimit", `--nofile=${connections + SPARE_FILES}`];
}

function canOpen(connections: number): boolean {
  const [program = "", ...args] = [...withFiles(connections), "true"];
  return new Deno.Command(program, { args, stderr: "null" }).outputSync().success;
}

async function idleDrain(node: string, connections: number): Promise<IdleDrain> {
  const port = await freePort();
  const command = [...withFiles(connections), node, `${HERE}kept_server.cjs`];
  await using baton = await startBaton({ command, env: { PORT: String(port) }, flags: FLAGS });
  await using clients = await keepOpen(node, port, connections);
  await pause(SILENT_MS);
  const times: number[] = [];
  const cpuBefore = cpuSeconds(baton.pid);
  for (let run = 0; run < STATUS_RUNS; run++) {
    const startedAt = performance.now();
    await baton.status();
    times.push(performance.now() - startedAt);
  }
  const statusCpu = cpuSeconds(baton.pid) - cpuBefore;
  const reloadCpu = cpuSeconds(baton.pid);
  const report = await baton.reload();
  if (report.result !== "ok") throw new Error(`${report.reason}\n${baton.stderr}`);
  await waitUntil(() => baton.stderr.includes("generation 0 exited"), {
    what: "generation 0 has exited",
    deadlineMs: DEADLINE_MS,
  });
  const drainCpu = cpuSeconds(baton.pid) - reloadCpu;
  const { log, error } = { log: baton.stderr, error: clients.error };
  if (error !== "") throw new Error(error);
  const exit = /generation 0 exited cut=(\d+)(?: undecided=(\d+))?/.exec(log);
  return {
    connections,
    statusMs: spread(times).median,
    statusCpuMs: statusCpu * 1_000 / STATUS_RUNS,
    afterQuietMs: Math.max(0, loggedAt(log, "exited") - loggedAt(log, "drains") - QUIET_MS),
    cpuSeconds: drainCpu,
    cut: Number(exit?.[1]),
    undecided: Number(exit?.[2] ?? 0),
  };
}

/** When a line says that of generation 0. */
function loggedAt(log: string, what: string): number {
  return Date.parse(new RegExp(`^(\\S+Z) .*generation 0 ${what}`, "m").exec(log)?.[1] ?? "");
}

interface Clients extends AsyncDisposable {
  readonly error: string;
}

async function keepOpen(node: string, port: number, connections: number): Promise<Clients> {
  const words = [...withFiles(connections), node, `${HERE}kept_clients.cjs`];
  const [program = "", ...args] = [...words, String(port), String(connections)];
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const isOpen = new TextDecoder().decode(value).includes("open");
  return {
    error: isOpen ? "" : `not all of ${connections} connections were answered`,
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}
