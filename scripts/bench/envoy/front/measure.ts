/** Measures a service behind a front: app reloads alone, then with reloads of Envoy meanwhile. */
import { type ChildProcess, spawn } from "node:child_process";
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import * as v from "valibot";
import { certificate } from "../../../../test/support/certificate.ts";
import {
  findBun,
  findNode,
  findPython,
  REPOSITORY,
  required,
} from "../../../../test/support/programs.ts";
import { killTree } from "../../../../test/support/proc.ts";
import { tempDir } from "../../../../test/support/temp_dir.ts";
import { waitUntil } from "../../../../test/support/wait_until.ts";
import { need } from "../../peers/install.ts";
import { memoryBytes, tree, withMarker } from "../../peers/footprint.ts";
import { FRONT_LINE, type FrontLane, type FrontOrder } from "./client_lines.ts";
import { type App, World } from "./world.ts";

const HERE = join(REPOSITORY, "scripts", "bench", "envoy", "front");
const CLIENTS_MAIN = join(HERE, "clients_main.ts");
const RENAMES_MAIN = join(HERE, "renames_main.ts");
const CLIENTS_LIMIT_MS = 120_000;
const SEEN_DEADLINE_MS = 10_000;
const SETTLE_MS = 1_500;
const BETWEEN_MS = 1_000;
/** On a busy machine the watcher may be woken after the client. */
const LATE_MS = 5;
const MARK = "BATON_BENCH_FRONT";

const server = (name: string) => join(HERE, "servers", name);

/** Its request is the first one that a new server answers: that of Node takes 5 ms longer than the next one. */
const CHECK = "http:/";

export const APPS: readonly App[] = [
  {
    name: "Node",
    protocol: "http",
    ready: CHECK,
    command: () => [required("node", findNode()), server("node.js")],
  },
  {
    name: "Node without a check",
    protocol: "http",
    ready: null,
    command: () => [required("node", findNode()), server("node.js")],
  },
  { name: "Go", protocol: "http", ready: CHECK, command: () => [goServer()] },
  {
    name: "Python",
    protocol: "http",
    ready: CHECK,
    command: () => [required("python3", findPython()), server("python.py")],
  },
  {
    name: "Node, gRPC",
    protocol: "grpc",
    ready: null,
    command: () => [required("node", findNode()), server("grpc.js")],
  },
];

/** Built once, into .cache. */
function goServer(): string {
  const target = join(REPOSITORY, ".cache", "bench-front-go");
  cpSync(server("go"), target, { recursive: true });
  const program = join(target, "frontbench");
  execFileSync(need("go"), ["build", "-o", program, "."], {
    cwd: target,
    env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return program;
}

export interface FrontPlan {
  /** Without a reload of Envoy. */
  readonly alone: number;
  /** With one of Envoy at each of the first ones. */
  readonly withEnvoy: number;
  readonly envoyReloads: number;
}

export interface FrontOutcome {
  readonly app: string;
  readonly plan: FrontPlan;
  readonly lanes: readonly FrontLane[];
  /** Client connections and streams that ended in the reloads of the app alone. */
  readonly ended: number;
  /** Of any answer in these. */
  readonly slowestAloneMs: number;
  /** From the rename of the endpoint file to the first answer of the new version; for gRPC none. */
  readonly effectAloneMs: readonly number[];
  /** The same with a reload of Envoy meanwhile. */
  readonly effectMs: readonly number[];
  readonly envoyBytes: number;
  readonly failures: readonly string[];
}

export async function measureFront(
  app: App,
  envoy: string,
  plan: FrontPlan,
  status: (text: string) => void,
): Promise<FrontOutcome> {
  using folder = tempDir("bench-front");
  const value = `${process.pid}.${app.name}`;
  const options = { dir: folder.path, app, envoy, certificate: certificate(folder) };
  const failures: string[] = [];
  let clients: FrontClients | null = null;
  let renames: Renames | null = null;
  try {
    status("starting");
    const world = await World.start({ ...options, mark: { [MARK]: value } });
    const envoyBytes = memoryBytes(tree([world.pids.front])) - memoryBytes([world.pids.front]);
    clients = new FrontClients({
      port: world.port,
      protocol: app.protocol,
      limitMs: CLIENTS_LIMIT_MS,
    });
    await pause(SETTLE_MS);
    renames = new Renames(world.frontDir);
    await renames.start();
    const [effectAloneMs, effectMs]: [number[], number[]] = [[], []];
    const reload = async (version: number, effects: number[]) => {
      world.deploy(String(version));
      const from = performance.timeOrigin + performance.now();
      await world.reload().catch((error) => failures.push(String(error)));
      if (app.protocol === "grpc") return pause(BETWEEN_MS);
      try {
        const seenMs = await clients!.seen(String(version));
        const renamedMs = await renames!.lastBetween(from, seenMs + LATE_MS);
        effects.push(Math.max(0, seenMs - renamedMs));
      } catch (error) {
        failures.push(`version ${version}: ${error}`);
      }
      await pause(BETWEEN_MS);
    };
    for (let i = 1; i <= plan.alone; i++) {
      status(`reload ${i}`);
      await reload(i, effectAloneMs);
    }
    const alone = await clients.look();
    const ended = alone.reduce((sum, lane) => sum + lane.ended, 0);
    const slowestAloneMs = slowest(alone);
    for (let i = 1; i <= plan.withEnvoy; i++) {
      status(`reload ${plan.alone + i}, and Envoy's`);
      if (i <= plan.envoyReloads) world.reloadFront();
      await reload(plan.alone + i, effectMs);
    }
    await pause(SETTLE_MS);
    const lanes = await clients.end();
    await world.stop();
    const seen = { lanes, ended, slowestAloneMs, effectAloneMs, effectMs };
    return { app: app.name, plan, ...seen, envoyBytes, failures };
  } finally {
    clients?.kill();
    renames?.close();
    for (const pid of withMarker(`${MARK}=${value}`)) killTree(pid);
  }
}

function slowest(lanes: readonly FrontLane[]): number {
  return Math.max(...lanes.map(({ slowestMs }) => slowestMs));
}

/** When the endpoint file came to its name, by the kernel's word. */
class Renames {
  readonly #child: ChildProcess;
  readonly #atMs: number[] = [];
  #isReady = false;

  constructor(directory: string) {
    const words = [RENAMES_MAIN, directory, "eds.yaml"];
    this.#child = spawn(required("bun", findBun()), words, {
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface(this.#child.stdout!).on("line", (line) => {
      if (line === "ready") this.#isReady = true;
      else this.#atMs.push(Number(line));
    });
  }

  async start(): Promise<this> {
    await waitUntil(() => this.#isReady, { what: "renames are watched" });
    return this;
  }

  /** Others are of generations that have ended. */
  lastBetween(fromMs: number, toMs: number): Promise<number> {
    return waitUntil(() => this.#atMs.findLast((atMs) => atMs >= fromMs && atMs <= toMs), {
      what: "the rename is seen",
      deadlineMs: SEEN_DEADLINE_MS,
    });
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}

class FrontClients {
  readonly #child: ChildProcess;
  readonly #versions = new Map<string, number>();
  #lanes: readonly FrontLane[] | null = null;
  #isOver = false;

  constructor(order: FrontOrder) {
    const bun = required("bun", findBun());
    this.#child = spawn(bun, [CLIENTS_MAIN, JSON.stringify(order)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    createInterface(this.#child.stdout!).on("line", (text) => this.#take(text));
  }

  #take(text: string): void {
    const line = v.parse(v.pipe(v.string(), v.parseJson(), FRONT_LINE), text);
    if (line.kind === "version") this.#versions.set(line.version, line.atMs);
    else {
      this.#lanes = line.lanes;
      this.#isOver ||= line.isLast;
    }
  }

  seen(version: string): Promise<number> {
    return waitUntil(() => this.#versions.get(version), {
      what: `version ${version} is seen`,
      deadlineMs: SEEN_DEADLINE_MS,
    });
  }

  async look(): Promise<readonly FrontLane[]> {
    this.#lanes = null;
    this.#child.stdin!.write("\n");
    return await waitUntil(() => this.#lanes, { what: "the clients' counts" });
  }

  async end(): Promise<readonly FrontLane[]> {
    this.#child.kill("SIGTERM");
    return await waitUntil(() => this.#isOver && this.#lanes, { what: "the clients have ended" });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
