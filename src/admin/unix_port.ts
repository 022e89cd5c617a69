/**
 * The admin API at a Unix socket for others than the control socket's: a proxy, or an agent that collects statistics.
 * Who may connect, the node's mode says; what they may do, the same rules as at a TCP port.
 */
import { existsSync, lstatSync } from "node:fs";
import type { Fd } from "../platform/fd.ts";
import { UnixListener } from "../platform/network/unix_listener.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { isListening } from "./client.ts";
import type { FetchHandler } from "./http_connection.ts";
import { HttpConnections } from "./http_connections.ts";

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
  #isPaused = false;

  /**
   * @param kept a socket that may listen there already; owned
   * @param joins replaces the socket of another baton in one step: no client is refused
   * @throws {Error} when something else is at the path
   */
  constructor(
    readonly platform: Platform,
    place: UnixPlace,
    handler: FetchHandler,
    joins: boolean,
    kept: Fd | null = null,
  ) {
    this.#connections = new HttpConnections(platform, handler, MAX_CONNECTIONS, "replace");
    const isHere = kept !== null && isAtPath(platform.sockets.unixPath(kept), place.path);
    if (!isHere) kept?.close();
    this.#listener = isHere ? new UnixListener(kept, place.path) : this.#bind(place, joins);
    this.#watch = platform.reactor.watch(this.#listener.fd, () => this.#accept());
  }

  #bind({ path, mode, owner }: UnixPlace, joins: boolean): UnixListener {
    const { platform } = this;
    refuseOthers(platform, path, joins);
    const options = { type: "stream", backlog: BACKLOG, nonblocking: true, mode, owner } as const;
    const aside = joins ? `${path}.${platform.runtime.pid}` : path;
    const listener = UnixListener.bind(platform.sockets, aside, options);
    if (joins) listener.moveTo(path);
    return listener;
  }

  /** An upgrade in place passes it to the new program, so that no client is refused. */
  get listener(): Fd {
    return this.#listener.fd;
  }

  pause(): Promise<void> {
    this.#isPaused = true;
    this.#watch.arm({});
    return this.#connections.settle();
  }

  resume(): void {
    this.#isPaused = false;
    this.#watch.arm();
  }

  get text(): string {
    return `unix:${this.#listener.path}`;
  }

  #accept(): void {
    if (this.#isPaused) return;
    try {
      this.#connections.accept(this.#listener.fd, () => true);
    } finally {
      this.#watch.arm();
    }
  }

  /** Before the end: clients in the queue get an answer. */
  finish(): Promise<void> {
    if (this.#listener.fd.isOpen) this.#accept();
    return this.#connections.settle();
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

/** @param bound where it was bound, before it was moved to its place. The configuration may name another one by now */
function isAtPath(bound: string | null, path: string): boolean {
  const isMeant = bound === path || (bound ?? "").replace(/\.\d+$/, "") === path;
  return isMeant && existsSync(path);
}

function refuseOthers(platform: Platform, path: string, joins: boolean): void {
  const node = lstatSync(path, { throwIfNoEntry: false });
  if (node === undefined) return;
  if (!node.isSocket()) throw new Error(`${path} is not a socket`);
  if (!joins && isListening(platform, path)) throw new Error(`another process listens at ${path}`);
}
