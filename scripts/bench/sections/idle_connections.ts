/**
 * Connections that clients keep open in silence: what a reload and `baton status` cost with them, and how that grows with
 * their number. A Node server; one request on each connection, then nothing.
 */
import { startBaton } from "../../../test/support/baton.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { findNode } from "../../../test/support/programs.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import { cpuSeconds, pause } from "../proc.ts";
import type { Bench, Measured, Section } from "../section.ts";
import { spread, timesOf } from "../spread.ts";

interface IdleDrain {
  readonly connections: number;
  readonly statusMs: number;
  readonly statusCpuMs: number;
  /** From the switch to the exit of the old generation, without `--quiet`. */
  readonly afterQuietMs: number;
  /** Processor time of baton, for the whole reload. */
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
const COUNTS = [10, 1_000, 9_000, 50_000];
const ROW_COUNT = 9_000;
/** In one process of the server and one of the clients; 20,000 open files are a common limit. */
const EACH_PROCESS = 15_000;
const HERE = new URL(".", import.meta.url).pathname;

export const IDLE_CONNECTIONS: Section = { name: "idle-connections", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured | null> {
  const node = findNode();
  if (node === null) {
    bench.skip("idle connections: node is not installed");
    return null;
  }
  const results: IdleDrain[] = [];
  for (const connections of COUNTS) {
    bench.status(`${connections} idle connections`);
    if (openFiles() < Math.min(connections, EACH_PROCESS) * 1.1) {
      bench.skip(`${connections} idle connections: too few open files (ulimit -n)`);
      continue;
    }
    results.push(await idleDrain(node, connections));
  }
  bench.table(tableOf(results));
  const row = results.find(({ connections }) => connections === ROW_COUNT);
  const figures = row === undefined ? {} : {
    drainAfterQuietMs: row.afterQuietMs,
    drainCpuSeconds: row.cpuSeconds,
    drainCut: row.cut,
  };
  return { figures, details: results };
}

function tableOf(results: readonly IdleDrain[]): string[][] {
  return [
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
  ];
}

function openFiles(): number {
  const text = Deno.readTextFileSync("/proc/self/limits");
  return Number(/^Max open files +(\d+)/m.exec(text)?.[1] ?? 0);
}

async function idleDrain(node: string, connections: number): Promise<IdleDrain> {
  const port = await freePort();
  const processes = Math.ceil(connections / EACH_PROCESS);
  const env = { PORT: String(port), WORKERS: String(processes) };
  await using baton = await startBaton({
    command: [node, `${HERE}kept_server.cjs`],
    env,
    flags: FLAGS,
  });
  await using _clients = await keepOpen(node, port, connections / processes, processes);
  await pause(SILENT_MS);
  const cpuBefore = cpuSeconds(baton.pid);
  const times = await timesOf(STATUS_RUNS, () => baton.status());
  const statusCpu = cpuSeconds(baton.pid) - cpuBefore;
  const reloadCpu = cpuSeconds(baton.pid);
  const report = await baton.reload();
  if (report.result !== "ok") throw new Error(`${report.reason}\n${baton.stderr}`);
  await waitUntil(() => baton.stderr.includes("generation 0 exited"), {
    what: "generation 0 has exited",
    deadlineMs: DEADLINE_MS,
  });
  const drainCpu = cpuSeconds(baton.pid) - reloadCpu;
  const log = baton.stderr;
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

/** Until all connections are answered; they stay open until it is disposed. @param each of one process */
async function keepOpen(
  node: string,
  port: number,
  each: number,
  processes: number,
): Promise<AsyncDisposable> {
  const children = Array.from({ length: processes }, (_, number) =>
    new Deno.Command(node, {
      args: [`${HERE}kept_clients.cjs`, String(port), String(Math.ceil(each)), String(number)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn());
  const readers = children.map(({ stdout }) => stdout.getReader());
  const dispose = async () => {
    for (const { stdin } of children) await stdin.close();
    for (const reader of readers) await reader.cancel();
    for (const { status } of children) await status;
  };
  const said = await Promise.all(readers.map((reader) => reader.read()));
  if (said.every(({ value }) => new TextDecoder().decode(value).includes("open"))) {
    return { [Symbol.asyncDispose]: dispose };
  }
  await dispose();
  throw new Error(`Not all of ${each * processes} connections were answered`);
}
