/**
 * Batons of one name, one after the other in one runtime directory, for tests that kill them. Remembers
 * every process that they were seen to run, and ends what is left of them when it is disposed of.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { type Baton, type BatonOptions, startBaton } from "./baton.ts";
import { alive, children, commandLine } from "./proc.ts";
import { SeenProcesses } from "./seen_processes.ts";
import { waitUntil } from "./wait_until.ts";

export class Succession implements AsyncDisposable {
  readonly #seen = new SeenProcesses();
  readonly #batons = new SeenProcesses();
  readonly #all: Baton[] = [];

  constructor(
    readonly options: BatonOptions & { readonly dir: NonNullable<BatonOptions["dir"]> },
  ) {}

  /** The latest one. */
  get baton(): Baton {
    const baton = this.#all.at(-1);
    assert.ok(baton !== undefined);
    return baton;
  }

  /** The log of all of them. */
  get log(): string {
    return this.#all.map(({ pid, stderr }) => `baton ${pid}:\n${stderr}`).join("\n");
  }

  /** Processes that are still there, as command lines. */
  get left(): string[] {
    return this.#seen.alive.map((pid) => commandLine(pid).join(" "));
  }

  async next(
    flags: readonly string[] = ["--survive"],
    options: Partial<BatonOptions> = {},
  ): Promise<Baton> {
    const baton = await startBaton({ ...this.options, ...options, flags });
    this.#all.push(baton);
    this.#batons.add(baton.pid);
    if (options.expectFailure !== true) await this.look();
    return baton;
  }

  /** Remembers what runs now. */
  async look(): Promise<void> {
    this.#remember();
    for (const { pid } of (await this.baton.status()).generations) {
      if (pid !== null) this.#seen.add(pid);
    }
  }

  #remember(): void {
    if (!this.#batons.alive.includes(this.baton.pid)) return;
    for (const pid of children(this.baton.pid)) this.#seen.add(pid);
  }

  /** SIGKILL to the latest one only. */
  async kill(): Promise<void> {
    this.#remember();
    const { pid } = this.baton;
    process.kill(pid, "SIGKILL");
    await waitUntil(() => !alive(pid), { what: "baton is dead" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#all.length === 0) return;
    this.#remember();
    this.#batons.kill();
    this.#seen.kill();
    // Their output ends only when all have ended who write to it.
    for (const baton of this.#all) await baton[Symbol.asyncDispose]();
  }
}
