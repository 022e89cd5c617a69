/**
 * Descriptors that outlive the baton that opened them, each under its name (`resume_state.ts`). The next instance takes
 * those that it can use; the rest is closed.
 */
import type { Fd } from "../../platform/fd.ts";

export class NamedDescriptors {
  readonly #fds: Map<string, Fd>;

  constructor(fds: Iterable<readonly [name: string, fd: Fd]> = []) {
    this.#fds = new Map(fds);
  }

  get names(): readonly string[] {
    return [...this.#fds.keys()];
  }

  /** @returns null when there is none of this name. The caller owns the descriptor */
  take(name: string): Fd | null {
    const fd = this.#fds.get(name) ?? null;
    this.#fds.delete(name);
    return fd;
  }

  /** Closes those that were not taken. */
  close(): void {
    for (const fd of this.#fds.values()) fd.close();
    this.#fds.clear();
  }
}
