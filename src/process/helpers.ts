/**
 * Helpers that servers have started and that outlive them (handoff/helper_role.ts): they belong to the service, not to
 * a generation. No generation waits for them or signals them; the end of the service is theirs too.
 */
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { isRunning } from "../platform/process/proc.ts";
import { ExitWatch } from "./exit_watch.ts";

interface HelperRecord {
  readonly pid: number;
  /** When it started: with the pid that identifies the process. */
  readonly startTime: number;
  /** The generation that has started it. */
  readonly epoch: number;
  /** Where it listens. */
  readonly addresses: readonly string[];
}

export class Helpers {
  readonly #all = new Map<number, HelperRecord>();
  readonly #exits: ExitWatch;
  /** Called when a helper has exited. */
  onExit = () => {};

  constructor(readonly platform: Pick<Platform, "processes" | "reactor">) {
    this.#exits = new ExitWatch(platform);
  }

  add({ pid, startTime, epoch, addresses }: HelperRecord): void {
    if (!isRunning(pid, startTime)) return;
    const known = this.#all.get(pid)?.addresses ?? [];
    this.#all.set(pid, { pid, startTime, epoch, addresses: [...known, ...addresses] });
    this.#exits.watch(pid, () => {
      this.#all.delete(pid);
      this.onExit();
    });
  }

  has(pid: number): boolean {
    return this.#all.has(pid);
  }

  get records(): readonly HelperRecord[] {
    return [...this.#all.values()];
  }

  processes(): number[] {
    return this.records.filter(({ pid, startTime }) => isRunning(pid, startTime))
      .map(({ pid }) => pid);
  }

  terminate(): void {
    for (const pid of this.processes()) this.platform.processes.signal(pid, C.SIGTERM);
  }

  kill(): void {
    for (const pid of this.processes()) this.platform.processes.signal(pid, C.SIGKILL);
  }

  close(): void {
    this.#exits.close();
    this.#all.clear();
  }
}
