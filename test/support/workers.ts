/** A service of several workers, the load on it, and how many of its processes live at a time. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type Baton, startBaton } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { formatTally, Load } from "./load.ts";
import { children, commandLine } from "./proc.ts";
import { fixtureCommand } from "./servers.ts";
import { tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

const CLIENTS = 8;
/** Longer than any test has. */
const MAX_MS = 600_000;
const SAMPLE_MS = 2;
const ALL_START = 99;

type WorkerView = Awaited<ReturnType<Baton["status"]>>["generations"][number]["workers"][number];

export class WorkersService implements AsyncDisposable {
  readonly #loads: Load[];

  constructor(
    readonly baton: Baton,
    readonly port: number,
    readonly envFile: string,
    readonly stack: AsyncDisposableStack,
  ) {
    // Connections for one request each, and some that are kept.
    const limits = { port, clients: CLIENTS, maxDurationMs: MAX_MS, maxRequests: Infinity };
    this.#loads = [
      new Load(limits).start(),
      new Load({ ...limits, mode: "keep-alive", timeoutMs: 20_000 }).start(),
    ];
  }

  /** Changes what the next generation is started with: its workers from that number on fail. */
  deploy(failFrom = ALL_START): void {
    writeFileSync(this.envFile, `FAIL_FROM=${failFrom}\n`);
  }

  async answersMore(count: number): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.answersMore(count)));
  }

  /** Process ids that new connections come to. */
  async answering(count: number): Promise<ReadonlySet<number>> {
    const [load] = this.#loads;
    const before = new Map(load!.tally.byBody);
    await load!.answersMore(count);
    return new Set(
      [...load!.tally.byBody].filter(([pid, answers]) => answers > (before.get(pid) ?? 0))
        .map(([pid]) => pid),
    );
  }

  async workers(): Promise<readonly WorkerView[]> {
    const { generations, epoch } = await this.baton.status();
    return generations.find((each) => each.epoch === epoch)?.workers ?? [];
  }

  /** Waits until `count` workers serve, and no other process of the server lives. */
  async settled(count: number): Promise<readonly WorkerView[]> {
    return await waitUntil(async () => {
      const workers = await this.workers();
      const serving = workers.filter(({ state }) => state === "serving");
      const isSettled = serving.length === count && this.alive.length === count;
      return isSettled ? serving : null;
    }, { what: `${count} workers serve\n${this.baton.stderr}` });
  }

  /** Processes of the server; one that is still a launcher counts, too. */
  get alive(): readonly number[] {
    return children(this.baton.pid).filter((pid) => isServer(pid));
  }

  /** The most that live at a time while `work` runs. */
  async mostDuring(work: Promise<unknown>): Promise<number> {
    let [most, isOver] = [0, false];
    void work.finally(() => isOver = true).catch(() => {});
    while (!isOver) {
      most = Math.max(most, this.alive.length);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
    await work;
    return most;
  }

  async nothingLost(): Promise<void> {
    const tallies = await Promise.all(this.#loads.map((load) => load.stop()));
    const texts = tallies.map(formatTally).join("\n");
    const lost = tallies.reduce((sum, tally) => sum + tally.lost, 0);
    assert.equal(lost, 0, `${texts}\n${this.baton.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()));
    await this.stack[Symbol.asyncDispose]();
  }
}

/** Not a zombie, and not baton's own fd store or helper. */
function isServer(pid: number): boolean {
  return commandLine(pid).some((word) => word.endsWith(".js"));
}

/** @param workers as `--workers` takes them */
export async function startWorkers(
  workers: number,
  { flags = [], failFrom = ALL_START }: { flags?: readonly string[]; failFrom?: number } = {},
): Promise<WorkersService> {
  const stack = new AsyncDisposableStack();
  const work = stack.use(tempDir());
  const port = await freePort();
  const envFile = work.join("env");
  writeFileSync(envFile, `FAIL_FROM=${failFrom}\n`);
  const baton = stack.use(
    await startBaton({
      command: fixtureCommand("fails_from.js"),
      env: { PORT: String(port) },
      flags: [
        "--workers",
        String(workers),
        "--keep-alive",
        "migrate",
        "--env-file",
        envFile,
        ...flags,
      ],
    }),
  );
  const service = new WorkersService(baton, port, envFile, stack);
  await service.answersMore(CLIENTS);
  return service;
}
