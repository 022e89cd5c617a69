/** Reports the exit of processes that need not be children of baton: the kernel signals it through a pidfd. */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";

export class ExitWatch {
  readonly #watched = new Map<number, { pidfd: Fd; watch: Watch }>();

  constructor(readonly platform: Pick<Platform, "processes" | "reactor">) {}

  /**
   * Calls `onExit` once, when `pid` has exited and its descriptors are closed.
   * @throws {SystemCallError} ESRCH when there is no such process
   */
  watch(pid: number, onExit: () => void): void {
    if (this.#watched.has(pid)) return;
    const pidfd = this.platform.processes.openPidfd(pid);
    const watch = this.platform.reactor.watch(pidfd, () => {
      this.#unwatch(pid);
      onExit();
    });
    this.#watched.set(pid, { pidfd, watch });
  }

  #unwatch(pid: number): void {
    this.#watched.get(pid)?.watch.cancel();
    this.#watched.get(pid)?.pidfd.close();
    this.#watched.delete(pid);
  }

  close(): void {
    for (const pid of [...this.#watched.keys()]) this.#unwatch(pid);
  }
}
