/**
 * NAME.stats in the runtime directory: a symbolic link to the memory in which this instance counts, /proc/PID/fd/N. The
 * kernel lets the owner of the process and root open it, whatever the process itself is doing.
 */
import { renameSync, rmSync, symlinkSync } from "node:fs";
import type { GuardedPath } from "../../../admin/runtime_guard.ts";
import type { Fd } from "../../../platform/fd.ts";
import { linkTarget } from "../../../platform/process/proc.ts";

export class StatsLink {
  readonly #target: string;

  constructor(readonly path: string, readonly pid: number, memory: Fd) {
    this.#target = `/proc/${pid}/fd/${memory.number}`;
  }

  /** Replaces the link of another instance, in one step. @throws {Error} when the directory cannot be written to */
  place(): void {
    if (this.#found === this.#target) return;
    const temporary = `${this.path}.${this.pid}`;
    rmSync(temporary, { force: true });
    symlinkSync(this.#target, temporary);
    renameSync(temporary, this.path);
  }

  get #found(): string | null {
    return linkTarget(this.path);
  }

  /** For the guard: that of another instance stays, because a successor may place its own just before it says so. */
  guardedPath(): GuardedPath {
    return {
      what: "link to the statistics",
      path: this.path,
      isInPlace: () => this.#found !== null,
      restore: () => this.place(),
    };
  }

  remove(): void {
    if (this.#found === this.#target) rmSync(this.path, { force: true });
  }
}
