/**
 * Measures one contestant: its server's own boot, then several reloads under the same clients. Whatever it leaves behind is
 * found, named and removed: every process of it has a mark in its environment, and its folder is its own.
 */
import { spawn } from "node:child_process";
import { createConnection } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import * as v from "valibot";
import { freePort } from "../../../test/support/free_port.ts";
import { alive, commandLine, killTree, startTime } from "../../../test/support/proc.ts";
import { findBun, REPOSITORY, required } from "../../../test/support/programs.ts";
import { type TempDir, tempDir } from "../../../test/support/temp_dir.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import { spread } from "../spread.ts";
import { CLIENT_LINE, type ClientEnd, type ClientTally } from "./clients.ts";
import type { Contestant, Installed, Place, Started } from "./contestant.ts";
import { versionFile } from "./contestants/version_file.ts";
import { cpuMs, memoryBytes, PeakMemory, tree, withMarker } from "./footprint.ts";
import { H2Session } from "./h2_session.ts";
import { hasEnded, outputOf, spawnIn } from "./own_process.ts";
import type { LossCount, PeerResult } from "./result.ts";

export interface PeerPlan {
  readonly reloads: number;
  /** From one reload to the next, unless the contestant needs more. */
  readonly betweenMs: number;
  readonly boots: number;
}

const CLIENTS_MAIN = join(REPOSITORY, "scripts", "bench", "peers", "clients_main.ts");
const SETTLE_MS = 1_000;
const SERVING_DEADLINE_MS = 15_000;
const BOOT_LOOK_MS = 2;
const MEMORY_LOOK_MS = 60;
/** For clients that nothing has ended. */
const CLIENTS_LIMIT_MS = 120_000;
const LEAVE_DEADLINE_MS = 5_000;
const HTTP1_REQUEST = "GET / HTTP/1.1\r\nHost: peers\r\n\r\n";
const MAX_LOSSES = 5;

const MARKER = `BATON_PEER=${process.pid}.`;

let marks = 0;
/** What runs now, and where. */
let running: { readonly folder: TempDir; readonly started: Started | null } | null = null;

/** Ends and removes what runs now: for a run that is interrupted. */
export async function endRunning(): Promise<void> {
  const { folder, started } = running ?? {};
  await started?.stop().catch(() => {});
  for (const pid of withMarker(MARKER)) killTree(pid);
  folder?.[Symbol.dispose]();
}

export async function measurePeer(
  contestant: Contestant,
  installed: Installed,
  plan: PeerPlan,
  status: (text: string) => void,
): Promise<PeerResult> {
  using folder = tempDir("peer");
  const marker = `${MARKER}${marks++};`;
  running = { folder, started: null };
  const place = await placeIn(folder.path, marker);
  installed.deploy(place, "1");
  status("its own boot");
  const boots: number[] = [];
  for (let boot = 0; boot < plan.boots; boot++) boots.push(await bootMs(place, installed));
  const started = await installed.start(place);
  running = { folder, started };
  const seen = new Map(started.roots().map((pid) => [pid, startTime(pid) ?? NaN]));
  try {
    await answers(place, place.port);
    if (contestant.hasHttp2) await answers(place, place.h2Port, H2Session.PREFACE);
    await pause(SETTLE_MS);
    const run = await underLoad({ contestant, installed, place, started, plan, status, seen });
    await started.stop();
    const leftovers = await leftBehind(marker, seen);
    return {
      program: contestant.program,
      name: contestant.name,
      how: contestant.how,
      version: installed.version,
      reloads: plan.reloads,
      bootMs: spread(boots).median,
      leftovers,
      ...run,
    };
  } finally {
    running = null;
    for (const pid of ownProcesses(marker, seen)) killTree(pid);
  }
}

async function placeIn(dir: string, marker: string): Promise<Place> {
  const [port, h2Port] = [await freePort(), await freePort()];
  const [name = "", value = ""] = marker.split("=");
  const env = {
    [name]: value,
    PEER_DIR: dir,
    PORT: String(port),
    H2_PORT: String(h2Port),
    VERSION_FILE: versionFile(dir),
  };
  return { dir, port, h2Port, env };
}

interface Run {
  readonly contestant: Contestant;
  readonly installed: Installed;
  readonly place: Place;
  readonly started: Started;
  readonly plan: PeerPlan;
  readonly status: (text: string) => void;
  readonly seen: Map<number, number>;
}

async function underLoad(run: Run) {
  const { contestant, place, started, plan, seen } = run;
  const { supervisor } = started;
  const alone = memoryBytes(tree(started.roots()));
  const clients = new Clients(place, contestant.hasHttp2);
  const peak = new PeakMemory(() => started.roots(), MEMORY_LOOK_MS);
  try {
    await clients.seen("1");
    const cpuBefore = supervisor === null ? 0 : cpuMs(supervisor);
    const { servingMs, askedAtMs } = await reloadAll(run, clients);
    await pause(contestant.betweenMs ?? plan.betweenMs);
    const supervisorCpuMs = supervisor === null ? null : cpuMs(supervisor) - cpuBefore;
    const end = await clients.end();
    const tallies = [end.new, end.kept, ...(end.h2 === null ? [] : [end.h2])];
    return {
      neverServed: plan.reloads - servingMs.length,
      new: lossCount(end.new),
      kept: lossCount(end.kept),
      h2: end.h2 === null ? null : lossCount(end.h2),
      servingMs: spread(servingMs).median,
      oldUntilMs: spread(
        [...askedAtMs].flatMap(([old, askedMs]) => {
          const last = end.lastMs[old];
          return last === undefined ? [] : [last - askedMs];
        }),
      ).median,
      slowestMs: Math.max(...tallies.map(({ maxLatencyMs }) => maxLatencyMs)),
      memoryBytes: alone,
      peakBytes: peak.peakBytes,
      supervisorCpuMs,
      losses: tallies.flatMap(({ errors }) => errors).slice(0, MAX_LOSSES).map(
        ({ cause, detail, atMs }) => `${cause} at ${atMs.toFixed(0)} ms: ${detail}`,
      ),
    };
  } finally {
    for (const [pid, start] of peak.stop()) seen.set(pid, start);
    clients.kill();
  }
}

async function reloadAll(
  { contestant, installed, place, started, plan, status }: Run,
  clients: Clients,
): Promise<{ servingMs: number[]; askedAtMs: ReadonlyMap<string, number> }> {
  const servingMs: number[] = [];
  const askedAtMs = new Map<string, number>();
  for (let reload = 1; reload <= plan.reloads; reload++) {
    status(`reload ${reload} of ${plan.reloads}`);
    await pause(contestant.betweenMs ?? plan.betweenMs);
    const version = String(reload + 1);
    installed.deploy(place, version);
    const askedMs = performance.timeOrigin + performance.now();
    // Until then the version before it is to answer.
    askedAtMs.set(String(reload), askedMs);
    await started.reload();
    const seenAtMs = await clients.seen(version).catch(() => null);
    if (seenAtMs !== null) servingMs.push(seenAtMs - askedMs);
  }
  return { servingMs, askedAtMs };
}

function lossCount({ ok, lost }: ClientTally): LossCount {
  return { lost, of: ok + lost };
}

/** The clients' process. */
class Clients {
  readonly #child;
  readonly #versions = new Map<string, number>();
  #end: ClientEnd | null = null;
  #hasClosed = false;

  constructor({ port, h2Port }: Place, hasHttp2: boolean) {
    const words = [String(port), hasHttp2 ? String(h2Port) : "none", String(CLIENTS_LIMIT_MS)];
    const bun = required("bun", findBun());
    this.#child = spawn(bun, [CLIENTS_MAIN, ...words], { stdio: ["ignore", "pipe", "inherit"] });
    createInterface(this.#child.stdout!).on("line", (text) => this.#take(text));
    this.#child.once("close", () => this.#hasClosed = true);
  }

  /** When an answer of that version first came, as Date.now() with fractions. */
  async seen(version: string): Promise<number> {
    return await waitUntil(() => {
      if (this.#hasClosed) throw new Error("the clients' process has ended");
      return this.#versions.get(version);
    }, { what: `version ${version} is seen`, deadlineMs: SERVING_DEADLINE_MS });
  }

  async end(): Promise<ClientEnd> {
    this.#child.kill("SIGTERM");
    return await waitUntil(() => this.#end, { what: "the clients have ended" });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #take(text: string): void {
    const line = v.parse(v.pipe(v.string(), v.parseJson(), CLIENT_LINE), text);
    if (line.kind === "end") this.#end = line;
    else this.#versions.set(line.version, line.atMs);
  }
}

/** From its start until it answers. */
async function bootMs(place: Place, installed: Installed): Promise<number> {
  const startedAt = performance.now();
  const { pid } = spawnIn(place, installed.bare(place));
  try {
    await answers(place, place.port);
    return performance.now() - startedAt;
  } finally {
    // Its workers hold its sockets, too.
    await Promise.all(killTree(pid!).map(hasEnded));
  }
}

/** @throws {Error} with its output, when nothing comes for a request */
async function answers(place: Place, port: number, request = HTTP1_REQUEST): Promise<void> {
  const deadline = performance.now() + SERVING_DEADLINE_MS;
  while (!await answersAtOnce(port, request)) {
    if (performance.now() > deadline) {
      throw new Error(`Port ${port} does not answer:\n${outputOf(place)}`);
    }
    await pause(BOOT_LOOK_MS);
  }
}

function answersAtOnce(port: number, request: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => socket.write(request, "latin1"));
    socket.once("data", () => settle(true));
    socket.once("error", () => settle(false));
    socket.once("end", () => settle(false));
  });
}

/**
 * The contestant's processes that live.
 * @param seen pid -> start time: some overwrite their environment, and a pid may be another's by now
 */
function ownProcesses(marker: string, seen: ReadonlyMap<number, number>): number[] {
  const own = [...seen].filter(([pid, start]) => startTime(pid) === start).map(([pid]) => pid);
  return [...new Set([...withMarker(marker), ...own])].filter(alive);
}

/** What of the contestant is there although it was stopped; it is ended. */
async function leftBehind(marker: string, seen: ReadonlyMap<number, number>): Promise<string[]> {
  const there = () => ownProcesses(marker, seen);
  await waitUntil(() => there().length === 0, {
    what: "all of it has ended",
    deadlineMs: LEAVE_DEADLINE_MS,
  }).catch(() => {});
  const left = there();
  const names = left.map((pid) => `process ${pid}: ${commandLine(pid).join(" ").slice(0, 80)}`);
  await Promise.all(left.flatMap(killTree).map(hasEnded));
  return names;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
