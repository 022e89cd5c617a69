/**
 * The admin API at a Unix socket for others than the control socket's: a proxy, or an agent that collects statistics.
 * Who may connect, the node's mode says; what they may do, the same rules as at a TCP port.
 */
import { existsSync, lstatSync } from "node:fs";
import type { Fd } from "../platform/fd.ts";
import { UnixListener } from "../platform/network/unix_listener.ts";
import type { Platform } from "../platform/platform.ts";
import { isListening } from "./client.ts";
import type { FetchHandler } from "./http_connection.ts";
import { HttpConnections, HttpListener } from "./http_connections.ts";

const MAX_CONNECTIONS = 64;
const BACKLOG = 256;

export interface UnixPlace {
  readonly path: string;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}

export class UnixPort {
  readonly #node: UnixListener;
  readonly #listener: HttpListener;
  /** Connections to a Unix socket are no traffic of the service in any case. */
  readonly accepted = 0;

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
    const connections = new HttpConnections(platform, handler, MAX_CONNECTIONS, "replace");
    const isHere = kept !== null && isAtPath(platform.sockets.unixPath(kept), place.path);
    if (!isHere) kept?.close();
    this.#node = isHere ? new UnixListener(kept, place.path) : this.#bind(place, joins);
    this.#listener = new HttpListener(platform, this.#node.fd, connections);
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
    return this.#node.fd;
  }

  get text(): string {
    return `unix:${this.#node.path}`;
  }

  /** New clients wait in the queue; resolves when the present ones have their responses, or will not get them soon. */
  pause(): Promise<void> {
    return this.#listener.pause();
  }

  resume(): void {
    this.#listener.resume();
  }

  /** Before the end: clients in the queue get an answer. */
  finish(): Promise<void> {
    return this.#listener.finish();
  }

  /** Another baton answers here: serves those who wait, and then no others. */
  retire(): void {
    if (!this.listener.isOpen) return;
    this.#listener.retire();
    this.#node.close();
  }

  close(): void {
    this.retire();
    this.#listener.close();
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
