/**
 * Processes that a test has seen to be its own. By their start times, too: on a busy machine a pid belongs to a process of
 * somebody else a few minutes after its own has ended, and that one must not be killed.
 */
import process from "node:process";
import { alive, startTime } from "./proc.ts";

export class SeenProcesses {
  readonly #startTimes = new Map<number, number>();

  /** Adds a process that runs, and is ours. */
  add(pid: number): void {
    const started = startTime(pid);
    if (started !== null) this.#startTimes.set(pid, started);
  }

  get alive(): number[] {
    return [...this.#startTimes]
      .filter(([pid, started]) => alive(pid) && startTime(pid) === started)
      .map(([pid]) => pid);
  }

  kill(): void {
    for (const pid of this.alive) process.kill(pid, "SIGKILL");
  }
}
