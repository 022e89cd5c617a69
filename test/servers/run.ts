/** Runs one row under baton: start, three reloads under load, stop. What was seen; judge.ts says whether it is right. */
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { type Baton, startBaton } from "../support/baton.ts";
import type { Exit } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import { alive, children, commandLine, killTree } from "../support/proc.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { Clients } from "./clients.ts";
import { exchange } from "./exchange.ts";
import { programOf } from "./install.ts";
import type { Place, Placed, ServerRow } from "./row.ts";

/** One row may take so long, start and stop included. */
const BUDGET_MS = 120_000;
const START_MS = 30_000;
/** Answers between two reloads: new connections have met the new generation. */
const ANSWERS_BETWEEN = 40;
const ANSWERS_MS = 20_000;

export interface SeenReload {
  readonly result: "ok" | "failed" | "refused";
  /** The reason of a failure, and the server's last output, or where that went to baton's, baton's. */
  readonly why: string;
  readonly durationMs: number;
}

export interface Seen {
  readonly reloads: readonly SeenReload[];
  readonly ok: number;
  readonly lost: number;
  /** "2 reset, 1 eof" */
  readonly failures: string;
  readonly errors: readonly string[];
  readonly slowestMs: number;
  readonly pidFile: "kept" | "gone" | "stale" | "-";
  /** Data that was stored and is not there. */
  readonly dataLost: readonly number[];
  readonly exit: Exit;
  readonly stopMs: number;
  /** Command lines of what outlived the stop. */
  readonly leftovers: readonly string[];
}

export interface RunOptions {
  readonly isTweaked: boolean;
  /** baton keeps the server's own pid file. */
  readonly keepsPidFile: boolean;
  /** @default 3 */
  readonly reloads?: number;
  /** More flags of `baton run`. */
  readonly flags?: readonly string[];
}

/** @throws {Error} when it does not start, does not answer, or takes longer than its budget */
export async function run(
  row: ServerRow,
  options: RunOptions,
): Promise<Seen> {
  using work = tempDir("server");
  const place = await placeIn(work, row, options.isTweaked);
  const placed = row.place(place);
  await using _backend = placed.hasBackend ? await startBackend(place.secondPort) : null;
  await using baton = await startBaton({
    command: [...placed.command],
    env: { ...placed.env },
    flags: [...placed.flags ?? [], ...pidFileFlags(placed, options), ...options.flags ?? []],
    cwd: work.path,
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const budget = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`It took longer than ${BUDGET_MS} ms\n${baton.stderr.slice(-4000)}`));
    }, BUDGET_MS);
  });
  try {
    return await Promise.race([story(baton, row, place, placed, options.reloads ?? 3), budget]);
  } finally {
    clearTimeout(timer);
    // Sessions and helpers may have left the tree.
    for (const pid of mentioning(work.path)) killTree(pid);
  }
}

function pidFileFlags({ pidFile }: Placed, { keepsPidFile }: RunOptions): string[] {
  if (pidFile === undefined) return [];
  return ["--server-pidfile", keepsPidFile ? pidFile : "none"];
}

async function startBackend(port: number): Promise<AsyncDisposable> {
  const server = createServer((_request, response) => response.end("hello"));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function placeIn(work: TempDir, row: ServerRow, isTweaked: boolean): Promise<Place> {
  chmodSync(work.path, 0o755);
  return {
    port: await freePort(),
    secondPort: await freePort(),
    dir: work.path,
    isTweaked,
    write: (name, text) => work.write(name, text),
    program: (name) => programOf(row, name),
  };
}

async function story(
  baton: Baton,
  row: ServerRow,
  { port }: Place,
  placed: Placed,
  count: number,
): Promise<Seen> {
  await waitUntil(() => exchange(port, row.exchange), {
    what: `it answers\n${baton.stderr.slice(-2000)}\n${baton.stdout.slice(-2000)}`,
    deadlineMs: START_MS,
  });
  await using clients = new Clients(port, row.exchange, row.clients);
  const reloads: SeenReload[] = [];
  const dataLost: number[] = [];
  for (let n = 1; n <= count; n++) {
    if (row.data) await exchange(port, row.data.store(n));
    await clients.more(ANSWERS_BETWEEN, ANSWERS_MS);
    const before = [baton.stdout.length, baton.stderr.length] as const;
    const { result, reason, output, outputIsDirect, durationMs } = await baton.reload();
    // What it has printed from its listen on went past baton, to baton's own output.
    const direct = outputIsDirect
      ? [baton.stdout.slice(before[0]), baton.stderr.slice(before[1])]
      : [];
    reloads.push({ result, why: [reason ?? "", ...output, ...direct].join("\n"), durationMs });
    await clients.more(ANSWERS_BETWEEN, ANSWERS_MS);
    if (result === "ok") await baton.settled();
  }
  await clients.stop();
  for (let n = 1; row.data && n <= count; n++) {
    await exchange(port, row.data.recall(n)).catch(() => dataLost.push(n));
  }
  const ours = children(baton.pid);
  const pidFile = placed.pidFile === undefined ? "-" : stateOf(placed.pidFile, ours);
  const stoppedAt = performance.now();
  const exit = await baton.stop();
  const stopMs = performance.now() - stoppedAt;
  return {
    reloads,
    ok: clients.ok,
    lost: clients.lost,
    failures: [...clients.failures].map(([failure, times]) => `${times} ${failure}`).join(", "),
    errors: clients.errors,
    slowestMs: Math.ceil(clients.slowestMs),
    pidFile,
    dataLost,
    exit,
    stopMs: Math.ceil(stopMs),
    leftovers: ours.filter(alive).map((pid) => `${pid} ${commandLine(pid).join(" ")}`),
  };
}

function stateOf(pidFile: string, ours: readonly number[]): "kept" | "gone" | "stale" {
  if (!existsSync(pidFile)) return "gone";
  return ours.includes(parseInt(readFileSync(pidFile, "utf8"), 10)) ? "kept" : "stale";
}

/** Processes with this row's folder in their command line. */
function mentioning(folder: string): number[] {
  return children(1).filter((pid) => commandLine(pid).some((word) => word.includes(folder)));
}
