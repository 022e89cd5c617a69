/**
 * The measurements of `make bench`, one function each. All on loopback, bounded in time, with servers
 * of test/support that are unmodified.
 */
import { startBare } from "../test/support/bare_server.ts";
import { type Baton, batonCommand, runCommand, startBaton } from "../test/support/baton.ts";
import { freePort } from "../test/support/free_port.ts";
import { privateMemoryBytes } from "../test/support/proc.ts";
import { required, which } from "../test/support/programs.ts";
import { place, server, type ServerId } from "../test/support/servers.ts";
import { tempDir } from "../test/support/temp_dir.ts";

export type Mode = "keep-alive" | "new connections";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Throughput {
  readonly server: ServerId;
  readonly mode: Mode;
  readonly bare: Spread;
  readonly wrapped: Spread;
  /** Wrapped by bare, of each round in which all were measured one after the other. */
  readonly ratio: Spread;
  /** Bare by bare, of two servers that differ in nothing: what this machine can tell apart. */
  readonly control: Spread;
  /** Socket errors and answers other than 2xx, of all runs. */
  readonly errors: number;
}

export interface Idle {
  readonly residentBytes: number;
  /** No other process has it; the program file counts while no other baton runs. */
  readonly privateBytes: number;
  /** Without the program file. */
  readonly anonymousBytes: number;
  readonly wakeupsPerSecond: number;
  readonly threads: number;
}

export interface LoadPlan {
  readonly rounds: number;
  readonly seconds: number;
}

const WRK_THREADS = 1;
const WRK_CONNECTIONS = 16;
const MS_PER_SECOND = 1000;
const BYTES_PER_KIB = 1024;
/** A busy wait must end, also when what it waits for never comes. */
const EXEC_DEADLINE_MS = 5_000;

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [Math.floor((sorted.length - 1) / 2), Math.ceil((sorted.length - 1) / 2)];
  return {
    median: ((sorted[low] ?? NaN) + (sorted[high] ?? NaN)) / 2,
    min: sorted[0] ?? NaN,
    max: sorted.at(-1) ?? NaN,
  };
}

/**
 * A bare server, a wrapped one and another bare one in turn, and each round in the other order than the
 * one before, so that other load on the machine affects all of them alike.
 */
export async function throughput(
  id: ServerId,
  mode: Mode,
  { rounds, seconds }: LoadPlan,
  onRound: (done: number) => void,
): Promise<Throughput> {
  using folders = new DisposableStack();
  const runnable = async () => {
    const port = await freePort();
    return { ...place(server(id), { port, workDir: folders.use(tempDir("bench")).path }), port };
  };
  const [one, two, three] = [await runnable(), await runnable(), await runnable()];
  await using _bare = await startBare(one);
  await using _wrapped = await startBaton(two);
  await using _control = await startBare(three);
  const ports = { bare: one.port, wrapped: two.port, control: three.port };
  const kinds = ["bare", "wrapped", "control"] as const;
  const measured: Record<keyof typeof ports, number[]> = { bare: [], wrapped: [], control: [] };
  let errors = 0;
  // The first round warms everything up.
  for (let round = 0; round <= rounds; round++) {
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const result = await wrk(ports[kind], mode, seconds);
      errors += result.errors;
      if (round > 0) measured[kind].push(result.perSecond);
    }
    onRound(round);
  }
  const byBare = (values: readonly number[]) =>
    spread(values.map((value, i) => value / (measured.bare[i] ?? NaN)));
  return {
    server: id,
    mode,
    bare: spread(measured.bare),
    wrapped: spread(measured.wrapped),
    ratio: byBare(measured.wrapped),
    control: byBare(measured.control),
    errors,
  };
}

/** Saturates the server at `port`. */
export async function wrk(
  port: number,
  mode: Mode,
  seconds: number,
): Promise<{ perSecond: number; errors: number }> {
  const { code, stdout, stderr } = await runCommand([
    required("wrk", which("wrk")),
    `-t${WRK_THREADS}`,
    `-c${WRK_CONNECTIONS}`,
    `-d${seconds}s`,
    ...(mode === "keep-alive" ? [] : ["-H", "Connection: close"]),
    `http://127.0.0.1:${port}/`,
  ]);
  const perSecond = Number(/^Requests\/sec:\s*([\d.]+)/m.exec(stdout)?.[1]);
  if (code !== 0 || !(perSecond > 0)) throw new Error(`wrk failed: ${stdout}${stderr}`);
  const counts = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    stdout,
  );
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(stdout);
  const errors = [...counts?.slice(1) ?? [], refused?.[1] ?? "0"].map(Number);
  return { perSecond, errors: errors.reduce((sum, each) => sum + each, 0) };
}

/** Milliseconds from the start of `baton --version` to its end. */
export async function startUp(runs: number): Promise<Spread> {
  const [program = "", ...words] = batonCommand();
  const times: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const startedAt = performance.now();
    const { success } = await new Deno.Command(program, {
      args: [...words, "--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) throw new Error("baton --version failed");
    // The first one reads the file into memory.
    if (run > 0) times.push(performance.now() - startedAt);
  }
  return spread(times);
}

/**
 * Milliseconds for which the launcher is there before it becomes the server, and from the reload
 * signal to that moment. Watched from outside, without a pause: nothing in baton is changed for it.
 */
export async function launcher(runs: number): Promise<{ launcher: Spread; fromSignal: Spread }> {
  return await withServer("go", async (baton, command) => {
    const [launcherMs, fromSignalMs]: [number[], number[]] = [[], []];
    for (let run = 0; run < runs; run++) {
      const before = new Set(directChildren(baton.pid));
      const signalledAt = performance.now();
      Deno.kill(baton.pid, "SIGHUP");
      const child = watch(() => directChildren(baton.pid).find((pid) => !before.has(pid)));
      const startedAt = performance.now();
      watch(() => firstWord(child) === command[0]);
      launcherMs.push(performance.now() - startedAt);
      fromSignalMs.push(performance.now() - signalledAt);
      await baton.settled();
    }
    return { launcher: spread(launcherMs), fromSignal: spread(fromSignalMs) };
  });
}

/** A supervisor without clients. @param afterMs since the start of baton */
export async function idle(afterMs: number, forMs: number): Promise<Idle> {
  return await withServer("go", async ({ pid }) => {
    await pause(afterMs);
    const before = switches(pid);
    await pause(forMs);
    let count = 0;
    // A thread that has ended in between takes its count with it.
    for (const [task, after] of switches(pid)) count += after - (before.get(task) ?? 0);
    return {
      residentBytes: field(`/proc/${pid}/status`, "VmRSS") * BYTES_PER_KIB,
      privateBytes: privateMemoryBytes(pid) ?? NaN,
      anonymousBytes: field(`/proc/${pid}/smaps_rollup`, "Anonymous") * BYTES_PER_KIB,
      wakeupsPerSecond: count / (forMs / MS_PER_SECOND),
      threads: field(`/proc/${pid}/status`, "Threads"),
    };
  });
}

/** What stands between a container's runtime and its server. */
export interface ProcessOne {
  readonly name: string;
  readonly residentBytes: number;
  readonly privateBytes: number;
  /** From its own start until it has become, or started, the server. */
  readonly execMs: Spread;
}

/** @param words the command in front of the server's */
export async function processOne(
  name: string,
  words: readonly string[],
  runs: number,
): Promise<ProcessOne> {
  const [program = "", ...args] = words;
  const times: number[] = [];
  let memory = { residentBytes: NaN, privateBytes: NaN };
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    const child = new Deno.Command(program, {
      args: [...args, "sleep", "60"],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      watch(() => directChildren(child.pid).find((pid) => firstWord(pid) === "sleep"));
      times.push(performance.now() - startedAt);
      await pause(run === runs - 1 ? MS_PER_SECOND : 0);
      memory = {
        residentBytes: field(`/proc/${child.pid}/status`, "VmRSS") * BYTES_PER_KIB,
        privateBytes: privateMemoryBytes(child.pid) ?? NaN,
      };
    } finally {
      for (const pid of directChildren(child.pid)) Deno.kill(pid, "SIGKILL");
      await child.status;
    }
  }
  return { name, ...memory, execMs: spread(times) };
}

/** Milliseconds from a reload's request to the switch. */
export async function reloads(id: ServerId, runs: number): Promise<Spread> {
  return await withServer(id, async (baton) => {
    const times: number[] = [];
    for (let run = 0; run < runs; run++) {
      const report = await baton.reload();
      if (report.result !== "ok") throw new Error(`reload ${report.result}: ${report.reason}`);
      times.push(report.durationMs);
      await baton.settled();
    }
    return spread(times);
  });
}

async function withServer<T>(
  id: ServerId,
  use: (baton: Baton, command: readonly string[]) => Promise<T>,
): Promise<T> {
  using dir = tempDir("bench");
  const runnable = place(server(id), { port: await freePort(), workDir: dir.path });
  await using baton = await startBaton(runnable);
  return await use(baton, runnable.command);
}

/** Voluntary context switches of each thread: one that sleeps through adds none. */
function switches(pid: number): Map<string, number> {
  const tasks = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
  const count = (task: string) =>
    field(`/proc/${pid}/task/${task}/status`, "voluntary_ctxt_switches");
  return new Map(tasks.map((task) => [task, count(task)]));
}

/** The number behind a name in a file of /proc. */
function field(path: string, name: string): number {
  const text = Deno.readTextFileSync(path);
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1]);
}

function directChildren(pid: number): number[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return text.trim().split(" ").filter((word) => word !== "").map(Number);
}

function firstWord(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0")[0] ?? "";
}

/** Asks again and again, without a pause between. */
function watch<T>(look: () => T | undefined | false): T {
  const deadline = performance.now() + EXEC_DEADLINE_MS;
  while (performance.now() < deadline) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
  }
  throw new Error(`Waited ${EXEC_DEADLINE_MS} ms in vain`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
