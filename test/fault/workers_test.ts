/**
 * The promise of `--workers`: a worker that dies loses the requests that it has in its hands, and nothing else: not what
 * waits in its queue, not what other workers have, whatever baton does at that moment.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { acceptedBy, LineClients } from "../support/line_clients.ts";
import { alive, children, commandLine, state } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const WORKERS = 4;
const CLIENTS = 24;
const KILLS = repeats({ full: 20, quick: 1 });
const skip = which("python3") === null && "python3 is not installed";
const TEST = { timeout: TEST_TIMEOUT_MS, skip };
/** Kept connections end by themselves, and clients on a busy machine may pause for longer than the usual --quiet. */
const FLAGS = ["--workers", String(WORKERS), "--quiet", "10s"];

describe("kill -9 of a worker", () => {
  for (const rolling of [false, true]) {
    const when = rolling ? "during rolling reloads" : "during reloads";
    test(`loses only what it has in its hands, ${when}`, TEST, async () => {
      await using run = await Run.start(rolling ? ["--rolling"] : []);
      const { baton, clients } = run;
      let inHands = 0;
      // One that has just started may have none yet.
      for (let i = 0; i < KILLS || inHands === 0; i++) {
        const reload = baton.reload();
        await clients.answersMore(Math.ceil(Math.random() * 40));
        inHands += await run.kill();
        await reload;
        await run.complete();
      }
      await run.assertLostOnly();
    });
  }

  test("loses only what it has in its hands, while nothing else happens", TEST, async () => {
    await using run = await Run.start([]);
    for (let i = 0; i < repeats({ full: 5, quick: 1 }); i++) {
      await run.kill();
      await run.complete();
      await run.clients.answersMore(2 * CLIENTS);
    }
    await run.assertLostOnly();
    const { generations } = await run.baton.status();
    assert.deepEqual(generations.map(({ epoch }) => epoch), [0], "it was replaced by itself");
  });
});

describe("a worker that is no good", () => {
  test("crashes in a loop: the others serve, and it comes back once it can", TEST, async () => {
    using work = tempDir();
    const dies = work.join("dies");
    const flags = ["--crash-delay", "50ms", "--crash-delay-max", "200ms", "--crash-limit", "3"];
    await using run = await Run.start(flags, { DIES: dies });
    writeFileSync(dies, "");
    const [first] = await run.views();
    await run.kill(first!.pid!);
    await waitUntil(async () => (await run.views())[0]!.restarts > 4, {
      what: "worker 0 was started more often than --crash-limit",
    });
    await run.clients.answersMore(2 * CLIENTS);
    rmSync(dies);
    await run.complete();
    const views = await run.views();
    assert.deepEqual(views.slice(1).map(({ restarts }) => restarts), [0, 0, 0]);
    await run.assertLostOnly();
  });

  for (
    const [what, variable, flags, expected] of [
      ["never listens", "HANGS", ["--ready-timeout", "5s"], /worker 0.*listen/s],
      ["exits at its start", "DIES", [], /worker 0 exited: exit status 7/],
    ] as const
  ) {
    const options = IS_FULL || variable === "DIES" ? TEST : { skip: "waits for --ready-timeout" };
    test(`${what}: the reload fails and names it, the old ones serve`, options, async () => {
      using work = tempDir();
      const file = work.join("file");
      await using run = await Run.start(flags, { [variable]: file });
      const before = run.workers;
      writeFileSync(file, "");
      const { result, reason } = await run.baton.reload();
      assert.equal(result, "failed");
      assert.match(String(reason), expected, run.baton.stderr);
      await run.baton.settled();
      assert.deepEqual(run.workers, before);
      await run.clients.answersMore(2 * CLIENTS);
      await run.assertLostOnly();
    });
  }

  test("hangs: --live replaces it alone, by force", TEST, async () => {
    // One that is stopped says no hello.
    const live = ["--live", "tcp", "--check-receive", "hello", "--check-interval", "100ms"];
    const flags = [...live, "--check-timeout", "2s", "--unhealthy-threshold", "1"];
    await using run = await Run.start([...flags, "--stop-time", "200ms"], {}, "1s");
    const before = await run.views();
    const { pid, number } = before[2]!;
    await run.hang(pid!);
    await waitUntil(() => !alive(pid!), {
      what: `worker ${number} is killed\n${run.baton.stderr}`,
    });
    await run.complete();
    const after = await run.views();
    assert.deepEqual(after.map(({ restarts }) => restarts), [0, 0, 1, 0]);
    await run.clients.answersMore(2 * CLIENTS);
    await run.assertLostOnly();
    assert.deepEqual((await run.baton.status()).epoch, 0);
  });
});

class Run implements AsyncDisposable {
  /** Of killed workers: the client's ports of the connections that they had accepted. */
  readonly #inHands = new Set<number>();
  readonly #killed: string[] = [];

  constructor(readonly baton: Baton, readonly port: number, readonly clients: LineClients) {}

  static async start(
    flags: readonly string[],
    env: Record<string, string> = {},
    drainTime = "20s",
  ): Promise<Run> {
    const port = await freePort();
    const baton = await startBaton({
      command: fixtureCommand("worker_lines.py"),
      env: { PORT: String(port), ...env },
      flags: [...FLAGS, "--drain-time", drainTime, ...flags],
    });
    const run = new Run(baton, port, new LineClients(port, CLIENTS));
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

  /** One that starts, serves or leaves. */
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
