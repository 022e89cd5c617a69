/**
 * The promise of `--workers`: a worker that dies loses the requests that it has in its hands, and nothing else: not what
 * waits in its queue, not what other workers have, whatever baton does at that moment.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { acceptedBy, LineClients } from "../support/line_clients.ts";
import { alive, children, commandLine, state } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const WORKERS = 4;
const CLIENTS = 24;
const KILLS = repeats({ full: 30, quick: 2 });
const skip = which("python3") === null && "python3 is not installed";
const TEST = { timeout: TEST_TIMEOUT_MS, skip };
/** Kept connections end by themselves, and clients on a busy machine may pause for longer than the usual --quiet. */
const FLAGS = ["--workers", String(WORKERS), "--drain-time", "20s", "--quiet", "10s"];

describe("kill -9 of a worker", () => {
  for (const rolling of [false, true]) {
    const when = rolling ? "during rolling reloads" : "during reloads";
    test(`loses only what it has in its hands, ${when}`, TEST, async () => {
      await using run = await Run.start(rolling ? ["--rolling"] : []);
      const { baton, clients } = run;
      let inHands = 0;
      for (let i = 0; i < KILLS; i++) {
        const reload = baton.reload();
        await clients.answersMore(Math.ceil(Math.random() * 40));
        inHands += await run.kill();
        await reload;
        await run.complete();
      }
      await run.assertLostOnly();
      assert.ok(inHands > 0, "no killed worker had a request in its hands");
    });
  }

  test("loses only what it has in its hands, while nothing else happens", TEST, async () => {
    await using run = await Run.start([]);
    for (let i = 0; i < 3; i++) {
      await run.kill();
      await run.complete();
      await run.clients.answersMore(2 * CLIENTS);
    }
    await run.assertLostOnly();
    const { generations } = await run.baton.status();
    assert.deepEqual(generations.map(({ epoch }) => epoch), [0], "it was replaced by itself");
  });
});

class Run implements AsyncDisposable {
  /** Of killed workers: the client's ports of the connections that they had accepted. */
  readonly #inHands = new Set<number>();
  readonly #killed: string[] = [];

  constructor(readonly baton: Baton, readonly port: number, readonly clients: LineClients) {}

  static async start(flags: readonly string[]): Promise<Run> {
    const port = await freePort();
    const baton = await startBaton({
      command: fixtureCommand("worker_lines.py"),
      env: { PORT: String(port) },
      flags: [...FLAGS, ...flags],
    });
    const run = new Run(baton, port, new LineClients(port, CLIENTS));
    await run.clients.answersMore(2 * CLIENTS);
    return run;
  }

  get workers(): number[] {
    return workersOf(this.baton);
  }

  /** Kills one at random. @returns how many requests it had in its hands */
  async kill(): Promise<number> {
    const { workers } = this;
    const pid = workers[Math.floor(Math.random() * workers.length)]!;
    // So that what it has accepted does not change while it is read.
    process.kill(pid, "SIGSTOP");
    await waitUntil(() => ["T", "Z", null].includes(state(pid)), { what: `${pid} has stopped` });
    const accepted = acceptedBy(pid, this.port);
    for (const port of accepted) this.#inHands.add(port);
    const due = this.clients.due.filter(({ port }) => accepted.has(port));
    process.kill(pid, "SIGKILL");
    this.#killed.push(`${pid} with ${accepted.size}, ${due.length} due`);
    return due.length;
  }

  /** Waits until one generation serves, with all its workers. */
  async complete(): Promise<void> {
    await this.baton.settled();
    await waitUntil(() => this.workers.length === WORKERS, { what: "all workers are there" });
  }

  async assertLostOnly(): Promise<void> {
    const { lost, answered } = await this.clients.stop();
    const others = lost.filter(({ port }) => !this.#inHands.has(port));
    const text = `${lost.length} lost, ${answered} answered; killed ${this.#killed.join("; ")}\n`;
    assert.deepEqual(others, [], text + this.baton.stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clients.stop();
    await this.baton[Symbol.asyncDispose]();
  }
}

function workersOf({ pid }: Baton): number[] {
  return children(pid).filter((each) =>
    alive(each) && commandLine(each).some((word) => word.endsWith("worker_lines.py"))
  );
}
