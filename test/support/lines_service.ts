/**
 * A service of workers that serve many clients each (worker_lines.py), with the load on it. Whatever is killed, it knows
 * which requests that worker had in its hands: those may be lost, and no others.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { type Baton, startBaton } from "./baton.ts";
import { freePort } from "./free_port.ts";
import { acceptedBy, LineClients } from "./line_clients.ts";
import { alive, children, commandLine, state } from "./proc.ts";
import { fixtureCommand } from "./servers.ts";
import { Succession } from "./succession.ts";
import { tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

const WORKERS = 4;
export const CLIENTS = 24;

interface LinesOptions {
  readonly env?: Record<string, string>;
  readonly drainTime?: string;
  /** @default 4 */
  readonly workers?: number;
  readonly clients?: number;
}

export class LinesService implements AsyncDisposable {
  /** The client's ports of the connections that killed workers had accepted. */
  readonly #inHands = new Set<number>();
  readonly #killed: string[] = [];

  private constructor(
    public baton: Baton,
    readonly port: number,
    readonly clients: LineClients,
    readonly flags: readonly string[],
    /** It, and those after it when it is killed. */
    readonly batons: Succession | null,
    readonly stack: AsyncDisposableStack,
  ) {}

  /** @param flags with `--survive`: baton can be killed */
  static async start(flags: readonly string[], options: LinesOptions = {}): Promise<LinesService> {
    const { env = {}, drainTime = "20s", workers = WORKERS, clients = CLIENTS } = options;
    const port = await freePort();
    const server = {
      command: fixtureCommand("worker_lines.py"),
      env: { PORT: String(port), ...env },
    };
    const all = [
      "--workers",
      String(workers),
      "--drain-time",
      drainTime,
      // Kept connections end by themselves, and clients on a busy machine may pause for longer than usual.
      "--quiet",
      "10s",
      ...flags,
    ];
    const stack = new AsyncDisposableStack();
    const batons = flags.includes("--survive")
      ? stack.use(new Succession({ ...server, dir: stack.use(tempDir("baton")) }))
      : null;
    const baton = await (batons?.next(all) ?? startBaton({ ...server, flags: all }));
    if (batons === null) stack.use(baton);
    const run = new LinesService(
      baton,
      port,
      new LineClients(port, clients),
      all,
      batons,
      stack,
    );
    await run.clients.answersMore(2 * CLIENTS);
    return run;
  }

  get workers(): number[] {
    return workersOf(this.baton);
  }

  /** As baton has them. */
  async views() {
    const { generations, epoch } = await this.baton.status();
    return generations.find((each) => each.epoch === epoch)!.workers;
  }

  get #anyWorker(): number {
    const { workers } = this;
    return workers[Math.floor(Math.random() * workers.length)]!;
  }

  /** @returns how many requests it had in its hands */
  async kill(pid = this.#anyWorker): Promise<number> {
    const due = await this.hang(pid);
    process.kill(pid, "SIGKILL");
    return due;
  }

  /** From here on it accepts nothing, and answers nothing. @returns how many requests it had in its hands */
  async hang(pid: number): Promise<number> {
    process.kill(pid, "SIGSTOP");
    await waitUntil(() => ["T", "Z", null].includes(state(pid)), { what: `${pid} has stopped` });
    const accepted = acceptedBy(pid, this.port);
    for (const port of accepted) this.#inHands.add(port);
    const due = this.clients.due.filter(({ port }) => accepted.has(port));
    this.#killed.push(`${pid} with ${accepted.size}, ${due.length} due`);
    return due.length;
  }

  /** kill -9 of baton; the next one continues. */
  async killBaton(): Promise<void> {
    await this.batons!.kill();
    this.baton = await this.batons!.next(this.flags);
  }

  /** Waits until one generation serves, with so many workers. @returns them */
  async complete(count = WORKERS) {
    return await waitUntil(async () => {
      const { generations } = await this.baton.status();
      const [only, ...others] = generations.filter(({ state }) => state !== "exited");
      const workers = only?.workers ?? [];
      const isThere = others.length === 0 && workers.length === count &&
        workers.every(({ state }) => state === "serving");
      return isThere ? workers : null;
    }, { what: `${count} workers serve\n${this.baton.stderr}` });
  }

  /** @param orUnaccepted or clients that no worker had accepted */
  async assertLostOnly({ orUnaccepted = false } = {}): Promise<void> {
    const { lost, answered } = await this.clients.stop();
    const others = lost.filter(({ port, pid }) =>
      !this.#inHands.has(port) && !(orUnaccepted && pid === null)
    );
    const text = `${lost.length} lost, ${answered} answered; killed ${this.#killed.join("; ")}\n`;
    assert.deepEqual(others, [], text + (this.batons?.log ?? this.baton.stderr));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clients.stop();
    await this.stack[Symbol.asyncDispose]();
  }
}

function workersOf({ pid }: Baton): number[] {
  return children(pid).filter((each) =>
    alive(each) && commandLine(each).some((word) => word.endsWith("worker_lines.py"))
  );
}
