/**
 * Processes of a server, other than its leading one, that have a listening socket of their own (SO_REUSEPORT in a
 * prefork server). When one dies the kernel does not close its socket, because baton holds a duplicate; so somebody
 * must stop steering new connections there. Told by the kernel (pidfd), not by looking.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";

export class Workers {
  readonly #watched = new Map<number, { pidfd: Fd; watch: Watch }>();

  /** @param onEnd one of them has ended, and its descriptors are closed */
  constructor(readonly platform: Platform, readonly onEnd: () => void) {}

  /** @param pid a process that is alive: it waits in a trapped call */
  watch(pid: number): void {
    if (this.#watched.has(pid)) return;
    const pidfd = this.platform.processes.openPidfd(pid);
    const watch = this.platform.reactor.watch(pidfd, () => {
      this.#forget(pid);
      this.onEnd();
    });
    this.#watched.set(pid, { pidfd, watch });
  }

  #forget(pid: number): void {
    this.#watched.get(pid)?.watch.cancel();
    this.#watched.get(pid)?.pidfd.close();
    this.#watched.delete(pid);
  }

  close(): void {
    for (const pid of [...this.#watched.keys()]) this.#forget(pid);
  }
}
