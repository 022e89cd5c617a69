/** Unix sockets of a server that baton does not steer (--shutdown-only): does it listen, and which connections are open. */
import { SystemCallError } from "../../platform/error.ts";
import type { UnixSocket } from "../../platform/network/unix_diag.ts";
import { socketInodesOf } from "../../platform/process/proc.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Census } from "../connections.ts";
import { UnixConnections } from "./unix_connections.ts";
import { STOP_PATIENCE_MS } from "./unix_judgement.ts";

export class UnixTraffic {
  /** Listeners that were found: connections outlive their listener. */
  readonly #listeners = new Set<number>();
  readonly #connections = new UnixConnections();

  constructor(
    readonly platform: Pick<Platform, "unixDiag">,
    readonly processes: () => readonly number[],
  ) {}

  isListening(): boolean {
    return this.#find(this.#sockets()).length > 0;
  }

  look(atMs: number): Census {
    const sockets = this.#sockets();
    this.#find(sockets);
    const listeners = { own: [...this.#listeners], shared: [] };
    const { processes } = this;
    return this.#connections.look(sockets, listeners, {
      atMs,
      patienceMs: STOP_PATIENCE_MS,
      processes,
    });
  }

  /** Finds listeners with a name that the server has open: no client can find one without a name. */
  #find(sockets: readonly UnixSocket[]): UnixSocket[] {
    const named = sockets.filter(({ isListener, name }) => isListener && name !== null);
    if (named.length === 0) return [];
    const held = new Set(this.processes().flatMap((pid) => [...socketInodesOf(pid)]));
    const own = named.filter(({ inode }) => held.has(inode));
    for (const { inode } of own) this.#listeners.add(inode);
    return own;
  }

  #sockets(): UnixSocket[] {
    try {
      return this.platform.unixDiag.sockets();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return [];
    }
  }
}
