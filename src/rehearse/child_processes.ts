/** The children of the director, which is the first process of its PID namespace: orphans become its children, too. */
import { sleep } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import { shellStatus } from "../platform/process/wait_status.ts";

const LOOK_MS = 10;

export class ChildProcesses {
  readonly #ended = new Map<number, number>();

  constructor(readonly platform: Platform) {}

  /** @returns the exit status as a shell reports it; null: it runs */
  statusOf(pid: number): number | null {
    for (let news = this.platform.processes.news(); news !== null;) {
      if ("status" in news) this.#ended.set(news.pid, shellStatus(news.status));
      news = this.platform.processes.news();
    }
    return this.#ended.get(pid) ?? null;
  }

  /** @returns null when that took too long */
  async ended(pid: number, limitMs: number): Promise<number | null> {
    await this.until(() => this.statusOf(pid) !== null, limitMs);
    return this.statusOf(pid);
  }

  /** Looks until `isTrue`, and at most for `limitMs`. */
  async until(isTrue: () => boolean, limitMs: number, lookMs: number = LOOK_MS): Promise<boolean> {
    const { clock } = this.platform;
    const deadline = clock.now() + limitMs;
    for (;;) {
      if (isTrue()) return true;
      if (clock.now() >= deadline) return false;
      await sleep(clock, lookMs);
    }
  }
}
