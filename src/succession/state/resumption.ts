/** How one baton continues where another one stopped: from a `ResumeState`, and descriptors by name. */
import { readFileSync, statSync } from "node:fs";
import type { Fd } from "../../platform/fd.ts";
import type { ResumeState } from "./resume_state.ts";

/** Longest state: thousands of listeners. */
const STATE_LIMIT = 4 * 1024 * 1024;

interface WorkerName {
  readonly epoch: number;
  readonly worker: number;
}

export const descriptorName = {
  /** The lock on the service's name. */
  lock: "lock",
  /** The listener of the control socket. */
  control: "control",
  /** The memory in which baton counts (stats/region.ts). */
  stats: "stats",
  /** A port of baton's own; passed on by an exec only. */
  port: (name: string) => `port ${name}`,
  member: (inode: number) => `member ${inode}`,
  /** The notify descriptor of a worker's seccomp filter. */
  filter: (of: WorkerName) => `filter ${of.epoch} ${of.worker}`,
  /** The socket behind a worker's NOTIFY_SOCKET. */
  notify: (of: WorkerName) => `notify ${of.epoch} ${of.worker}`,
  /** baton's end of a worker's standard output (1) or error (2). */
  output: (of: WorkerName, target: number) => `output ${of.epoch} ${of.worker} ${target}`,
  /** A part of what a generation was started with. */
  plan: (epoch: number, part: string) => `plan ${epoch} ${part}`,
};

/** Descriptors that outlive the baton that opened them. The next instance takes those that it can use. */
export class NamedDescriptors extends Map<string, Fd> {
  /** @returns null when there is none of this name. The caller owns the descriptor */
  take(name: string): Fd | null {
    const fd = this.get(name) ?? null;
    this.delete(name);
    return fd;
  }

  /** Closes those that were not taken. */
  close(): void {
    for (const fd of this.values()) fd.close();
    this.clear();
  }
}

/** What a baton continues from: after an exec of this very process, or from an fd store after a crash. */
export interface Resumption {
  readonly kind: "in_place" | "survived";
  readonly state: ResumeState;
  readonly kept: NamedDescriptors;
  /** The signal handlers are installed: signals that were blocked during the exec may arrive. */
  releaseSignals(): void;
}

/** What the next program gets. */
export interface ResumePayload {
  readonly state: ResumeState;
  readonly descriptors: ReadonlyMap<string, Fd>;
}

/** By path: Deno cannot read from a descriptor that it has not opened itself. @throws {Error} when it is too long */
export function readState(descriptor: number): string {
  const path = `/proc/self/fd/${descriptor}`;
  const { size } = statSync(path);
  if (size > STATE_LIMIT) throw new Error(`Cannot continue: the state has ${size} bytes`);
  return readFileSync(path, "utf8");
}
