/**
 * The admin API at a Unix socket for others than the control socket's: a proxy, or an agent that collects statistics.
 * Who may connect, the node's mode says; what they may do, the same rules as at a TCP port.
 */
import { lstatSync } from "node:fs";
import { UnixListener } from "../platform/network/unix_listener.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { isListening } from "./client.ts";
import { type FetchHandler, HttpConnections } from "./http_connections.ts";

const MAX_CONNECTIONS = 64;
const BACKLOG = 256;

export interface UnixPlace {
  readonly path: string;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}

export class UnixPort {
  readonly #listener: UnixListener;
  readonly #watch: Watch;
  readonly #connections: HttpConnections;
  /** Connections to a Unix socket are no traffic of the service in any case. */
  readonly accepted = 0;

  /**
   * @param joins replaces the socket of another baton in one step: no client is refused
   * @throws {Error} when something else is at the path
   */
  constructor(
    readonly platform: Platform,
    place: UnixPlace,
    handler: FetchHandler,
    joins: boolean,
  ) {
    const { path, mode, owner } = place;
    refuseOthers(platform, path, joins);
    const aside = joins ? `${path}.${platform.runtime.pid}` : path;
    this.#connections = new HttpConnections(platform, handler, MAX_CONNECTIONS, "replace");
    this.#listener = UnixListener.bind(platform.sockets, aside, {
      type: "stream",
      backlog: BACKLOG,
      nonblocking: true,
      mode,
      owner,
    });
    if (joins) this.#listener.moveTo(path);
    this.#watch = platform.reactor.watch(this.#listener.fd, () => this.#accept());
  }

  get text(): string {
    return `unix:${this.#listener.path}`;
  }

  #accept(): void {
    try {
      this.#connections.accept(this.#listener.fd, () => true);
    } finally {
      this.#watch.arm();
    }
  }

  /** Another baton answers here: serves those who wait, and then no others. */
  retire(): void {
    if (!this.#listener.fd.isOpen) return;
    this.#accept();
    this.#watch.cancel();
    this.#listener.close();
  }

  close(): void {
    this.retire();
    this.#connections.close();
  }
}

function refuseOthers(platform: Platform, path: string, joins: boolean): void {
  const node = lstatSync(path, { throwIfNoEntry: false });
  if (node === undefined) return;
  if (!node.isSocket()) throw new Error(`${path} is not a socket`);
  if (!joins && isListening(platform, path)) throw new Error(`another process listens at ${path}`);
}
