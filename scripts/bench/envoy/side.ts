/** One of the two that are compared: what runs, and what is done to it. */
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { batonCommand } from "../../../test/support/baton.ts";
import { alive, children, killTree, startTime } from "../../../test/support/proc.ts";
import { fixture } from "../../../test/support/programs.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import { need } from "../peers/install.ts";
import { outputOf, spawnIn } from "../peers/own_process.ts";
import { type Place, programPath, scriptPath } from "./configuration.ts";

export const SIDES = ["hot-restarter.py", "baton hot-restarter --safe"] as const;
export type SideName = typeof SIDES[number];

const START_DEADLINE_MS = 20_000;
const END_DEADLINE_MS = 45_000;

/** In the environment of everything that the side starts. */
export const MARK = "BATON_BENCH_ENVOY";

export class Side {
  readonly #env: Readonly<Record<string, string>>;
  #pid = 0;
  status: number | string | null = null;

  constructor(readonly name: SideName, readonly place: Place, mark: string) {
    this.#env = { [MARK]: mark };
  }

  get isBaton(): boolean {
    return this.name !== "hot-restarter.py";
  }

  get pid(): number {
    return this.#pid;
  }

  /** What it has printed last. */
  get output(): string {
    return outputOf(this.#peerPlace);
  }

  get #peerPlace() {
    const { dir, port } = this.place;
    return { dir, port, h2Port: 0, env: this.#env };
  }

  /** @param flags of baton, beside those that it needs */
  async start(flags: readonly string[] = []): Promise<void> {
    const { dir } = this.place;
    const words = this.isBaton
      ? [
        ...batonCommand(),
        ...["hot-restarter", "--safe", "--name", "envoy", "--runtime-dir", join(dir, "run")],
        ...flags,
        scriptPath(this.place),
      ]
      : [need("python3"), fixture("hot_restarter/original.py"), scriptPath(this.place)];
    const child = spawnIn(this.#peerPlace, words);
    this.status = null;
    this.#pid = child.pid!;
    child.once("exit", (code, signal) => this.status = code ?? signal);
    await this.answers();
  }

  async answers(): Promise<void> {
    await waitUntil(async () => {
      if (this.status !== null) throw new Error(`${this.name} has ended: ${this.output}`);
      return await versionAt(this.place.port) !== null;
    }, { what: `${this.name} serves`, deadlineMs: START_DEADLINE_MS });
  }

  /** The Envoys of it, the latest last. */
  get envoys(): number[] {
    if (!alive(this.#pid)) return [];
    return children(this.#pid).filter((pid) => alive(pid))
      .sort((a, b) => (startTime(a) ?? 0) - (startTime(b) ?? 0) || a - b);
  }

  signal(signal: NodeJS.Signals): void {
    if (alive(this.#pid)) process.kill(this.#pid, signal);
  }

  /** @param program of the Envoys that are started from now on */
  use(program: string): void {
    const aside = `${programPath(this.place)}.new`;
    rmSync(aside, { force: true });
    symlinkSync(program, aside);
    renameSync(aside, programPath(this.place));
  }

  async stop(): Promise<void> {
    this.signal("SIGTERM");
    await waitUntil(() => this.status !== null, {
      what: "it has ended",
      deadlineMs: END_DEADLINE_MS,
    })
      .catch(() => killTree(this.#pid));
  }
}

/** @returns null: no answer */
export async function versionAt(port: number): Promise<string | null> {
  try {
    const signal = AbortSignal.timeout(1_000);
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { connection: "close" },
      signal,
    });
    return /version=(\S+)/.exec(await response.text())?.[1] ?? null;
  } catch {
    return null;
  }
}
