/**
 * Measures what baton costs: throughput wrapped against bare (and bare against bare, for the noise of
 * the machine), start-up, an idle supervisor's memory and wake-ups, and how long a reload takes. The figures also go to dist/bench.json.
 *
 *   deno run -A scripts/bench.ts [--quick] [--only throughput,outgoing,start,idle,reload,drain,process-one,keep-alive]
 *     [--beside BINARY]
 *
 * `--beside` measures start-up, reloads, drains and the idle supervisor of another build too, in the same run.
 */
import { parseArgs } from "node:util";
import { batonCommand, useBinary } from "../test/support/baton.ts";
import { children, killTree } from "../test/support/proc.ts";
import { which } from "../test/support/programs.ts";
import { server, type ServerId } from "../test/support/servers.ts";
import { type DrainCost, drainCost } from "./bench_drain.ts";
import { KEEP_ALIVE_CASES, type KeepAliveRow, measureKeepAlive } from "./bench_keep_alive.ts";
import { type OutgoingCost, outgoingCost } from "./bench_outgoing.ts";
import * as measure from "./bench_measure.ts";
import { columnsOf, Terminal } from "./terminal.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const OUTPUT = `${ROOT}dist/bench.json`;
const SERVERS: readonly ServerId[] = ["node", "go", "nginx"];
const MODES: readonly measure.Mode[] = ["keep-alive", "new connections"];
/** Those that clients keep while a generation drains. */
const DRAINED_CONNECTIONS = [10, 1_000, 9_000];
const BYTES_PER_MIB = 1024 * 1024;
const EXIT_INTERRUPTED = 130;

/** `idleAfterMs` since its start, so that whatever a start brings with it is over. */
const FULL = { rounds: 25, seconds: 1, runs: 20, idleAfterMs: 60_000, idleForMs: 10_000 } as const;
const QUICK = { rounds: 5, seconds: 1, runs: 10, idleAfterMs: 5_000, idleForMs: 5_000 } as const;

const terminal = new Terminal();
const skipped: string[] = [];

async function main(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: { quick: { type: "boolean" }, only: { type: "string" }, beside: { type: "string" } },
  });
  const beside = values.beside;
  const plan = values.quick ? QUICK : FULL;
  const wanted = (name: string) =>
    values.only === undefined || values.only.split(",").includes(name);
  const cpu = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "";
  const machine = {
    cpus: navigator.hardwareConcurrency,
    cpu,
    kernel: Deno.osRelease(),
    load: Deno.loadavg()[0],
  };
  terminal.line(`${machine.cpus} CPUs ${cpu}, Linux ${machine.kernel}, load ${machine.load}`);
  const result = {
    at: new Date().toISOString(),
    plan,
    machine,
    start: wanted("start") ? await both(beside, () => start(plan.runs)) : null,
    reload: wanted("reload") ? await both(beside, () => reload(plan.runs)) : null,
    drain: wanted("drain") ? await both(beside, drain) : null,
    processOne: wanted("process-one") ? await processOne(plan.runs) : null,
    keepAlive: wanted("keep-alive") ? await keepAlive() : null,
    idle: wanted("idle") ? await both(beside, () => idle(plan.idleAfterMs, plan.idleForMs)) : null,
    throughput: wanted("throughput") ? await throughput(plan) : null,
    outgoing: wanted("outgoing") ? await outgoing(plan) : null,
    skipped,
  };
  await Deno.writeTextFile(OUTPUT, `${JSON.stringify(result, null, 2)}\n`);
  for (const reason of skipped) terminal.line(`skipped: ${reason}`);
}

/** Measures this build and, if there is one, the build beside it. */
async function both<T>(
  beside: string | undefined,
  measureOne: () => Promise<T>,
): Promise<T | [T, T]> {
  if (beside === undefined) return await measureOne();
  terminal.line("\nthis build:");
  const own = await measureOne();
  const before = useBinary(beside);
  try {
    terminal.line(`\n${beside}:`);
    return [own, await measureOne()];
  } finally {
    useBinary(before);
  }
}

async function start(runs: number): Promise<object> {
  terminal.status("start-up");
  const version = await measure.startUp(runs);
  const launcher = available("go") ? await measure.launcher(runs) : null;
  const rows = [["start-up, ms", "median", "min", "max"], row("baton --version", version)];
  if (launcher !== null) {
    rows.push(row("launcher, until it is the server", launcher.launcher));
    rows.push(row("reload signal, until then", launcher.fromSignal));
  }
  show(rows);
  return { versionMs: version, launcherMs: launcher?.launcher, fromSignalMs: launcher?.fromSignal };
}

/** Clients that keep their connections, through other restarters' reloads and through baton's. */
async function keepAlive(): Promise<readonly KeepAliveRow[]> {
  const results: KeepAliveRow[] = [];
  for (const each of KEEP_ALIVE_CASES) {
    if (each.needs !== null) {
      skipped.push(`${each.name}: ${each.needs}`);
      continue;
    }
    terminal.status(`keep-alive: ${each.name}`);
    results.push(await measureKeepAlive(each));
  }
  show([
    ["16 clients without a pause, 6 reloads", "requests", "lost", "slowest, ms", "closed"],
    ...results.map((
      { name, requests, lost, slowestMs, closed },
    ) => [name, ...[requests, lost, slowestMs, closed].map(String)]),
  ]);
  return results;
}

async function reload(runs: number): Promise<object> {
  const rows = [["reload, ms", "median", "min", "max"]];
  const results: Record<string, measure.Spread> = {};
  for (const id of SERVERS.filter(available)) {
    terminal.status(`reload ${id}`);
    const result = await measure.reloads(id, runs);
    results[id] = result;
    rows.push(row(id, result, 0));
  }
  show(rows);
  return results;
}

async function drain(): Promise<readonly DrainCost[] | null> {
  if (!available("go")) return null;
  if (which("strace") === null) {
    skipped.push("drain: strace is not installed");
    return null;
  }
  const results: DrainCost[] = [];
  for (const connections of DRAINED_CONNECTIONS) {
    terminal.status(`drain, ${connections} connections`);
    results.push(await drainCost(connections));
  }
  show([
    ["drain, connections", "system calls per look", "of /proc/PID/fd", "status, ms", "min", "max"],
    ...results.map(({ connections, callsPerLook, linksPerLook, statusMs }) =>
      row([connections, callsPerLook, linksPerLook].map(String), statusMs)
    ),
  ]);
  return results;
}

/** `--shutdown-only` beside what containers have for the same place. */
async function processOne(runs: number): Promise<readonly measure.ProcessOne[]> {
  terminal.status("process 1");
  const dir = await Deno.makeTempDir();
  const own = ["run", "--shutdown-only", "--runtime-dir", dir, "--log-level", "error", "--"];
  const candidates: [string, readonly string[]][] = [
    ["baton --shutdown-only", [...batonCommand(), ...own]],
    ["tini", ["tini", "-s", "--"]],
    ["dumb-init", ["dumb-init", "--"]],
  ];
  const results: measure.ProcessOne[] = [];
  for (const [name, words] of candidates) {
    if (which(words[0] ?? "") === null && !(words[0] ?? "").includes("/")) {
      skipped.push(`process 1: ${name} is not installed`);
      continue;
    }
    results.push(await measure.processOne(name, words, runs));
  }
  await Deno.remove(dir, { recursive: true });
  show([
    ["process 1", "resident, MiB", "private, MiB", "until the server's exec, ms", "min", "max"],
    ...results.map(({ name, residentBytes, privateBytes, execMs }) => [
      name,
      (residentBytes / BYTES_PER_MIB).toFixed(2),
      (privateBytes / BYTES_PER_MIB).toFixed(2),
      ...[execMs.median, execMs.min, execMs.max].map((value) => value.toFixed(1)),
    ]),
  ]);
  return results;
}

async function idle(afterMs: number, forMs: number): Promise<object | null> {
  if (!available("go")) return null;
  terminal.status(`idle supervisor, ${(afterMs + forMs) / 1000} s`);
  const result = await measure.idle(afterMs, forMs);
  show([
    ["idle supervisor", ""],
    ["resident memory, MiB", (result.residentBytes / BYTES_PER_MIB).toFixed(1)],
    ["private memory, MiB", (result.privateBytes / BYTES_PER_MIB).toFixed(1)],
    ["of it not the program file", (result.anonymousBytes / BYTES_PER_MIB).toFixed(1)],
    ["threads", String(result.threads)],
    ["wake-ups per second", result.wakeupsPerSecond.toFixed(1)],
  ]);
  return result;
}

async function throughput(plan: measure.LoadPlan): Promise<readonly measure.Throughput[] | null> {
  if (which("wrk") === null) {
    skipped.push("throughput: wrk is not installed");
    return null;
  }
  const results: measure.Throughput[] = [];
  for (const id of SERVERS.filter(available)) {
    for (const mode of MODES) {
      const onRound = (done: number) => terminal.status(`${id}, ${mode}: ${done}/${plan.rounds}`);
      onRound(0);
      results.push(await measure.throughput(id, mode, plan, onRound));
    }
  }
  show([
    ["requests/s", "bare", "wrapped", "ratio", "min", "max", "bare/bare", "errors"],
    ...results.map(({ server, mode, bare, wrapped, ratio, control, errors }) => [
      `${server}, ${mode}`,
      bare.median.toFixed(0),
      wrapped.median.toFixed(0),
      ...[ratio.median, ratio.min, ratio.max, control.median].map((value) => value.toFixed(3)),
      String(errors),
    ]),
  ]);
  return results;
}

/** A proxy, by where baton gets its duplicates from. */
async function outgoing(plan: measure.LoadPlan): Promise<OutgoingCost | null> {
  if (which("wrk") === null || !available("go") || !available("node")) return null;
  const onRound = (done: number) => terminal.status(`outgoing: ${done}/${plan.rounds}`);
  const cost = await outgoingCost(plan, onRound);
  show([
    ["proxy, a connection for each request", "CPU us each", "requests/s", "by bare", "min", "max"],
    ...(["bare", "getfd", "at-bind", "socket-trap"] as const).map((kind) => {
      const [cpu, median] = [cost.cpuUs[kind].toFixed(0), cost.perSecond[kind].median.toFixed(0)];
      return row([kind, cpu, median], cost.ratios[kind], 3);
    }),
  ]);
  terminal.line(`errors: ${cost.errors}`);
  return cost;
}

function available(id: ServerId): boolean {
  const reason = server(id).needs();
  const text = `${id}: ${reason}`;
  if (reason !== null && !skipped.includes(text)) skipped.push(text);
  return reason === null;
}

function row(
  names: string | readonly string[],
  { median, min, max }: measure.Spread,
  digits = 1,
): string[] {
  return [...[names].flat(), ...[median, min, max].map((value) => value.toFixed(digits))];
}

function show(rows: readonly (readonly string[])[]): void {
  terminal.status("");
  terminal.line();
  for (const line of columnsOf(rows)) terminal.line(line);
}

function interrupt(): never {
  terminal.status("");
  for (const pid of children(Deno.pid)) killTree(pid);
  Deno.exit(EXIT_INTERRUPTED);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, interrupt);
}
await main(Deno.args);
Deno.exit(0);
