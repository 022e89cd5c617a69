/**
 * The control socket: HTTP over a Unix socket of mode 0600, for the owner and root only.
 *
 * Every connection is checked by the peer's user id from the kernel (SO_PEERCRED, unix(7)), because another process can
 * change file modes. That is why this is not Bun.serve or Deno.serve: neither reveals the peer.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { UnixListener } from "../platform/network/unix_listener.ts";
import type { FetchHandler } from "./http_connection.ts";
import { HttpConnections, waitWhile } from "./http_connections.ts";

const MAX_CONNECTIONS = 32;
const BACKLOG = 32;
/** Longest wait for clients without a response before baton exits. */
const LAST_RESPONSES_LIMIT_MS = 500;

export class ControlServer {
  #listener: UnixListener;
  #watch: Watch;
  readonly #connections: HttpConnections;
  #isPaused = false;

  /**
   * Binds `path`, which must be free: the caller holds the service's lock.
   * @param kept a socket that already listens at `path`
   */
  constructor(
    readonly platform: Platform,
    path: string,
    handler: FetchHandler,
    kept: Fd | null = null,
  ) {
    this.#connections = new HttpConnections(platform, handler, MAX_CONNECTIONS);
    this.#listener = kept === null ? this.#bind(path) : new UnixListener(kept, path);
    this.#watch = this.#watchListener();
  }

  /** An upgrade in place passes it to the new program, so that no client is refused. */
  get listener(): Fd {
    return this.#listener.fd;
  }

  get path(): string {
    return this.#listener.path;
  }

  #watchListener(): Watch {
    const interest = { read: !this.#isPaused };
    return this.platform.reactor.watch(this.listener, () => this.#accept(), interest);
  }

  /** Listens at `path` again after the socket was removed. Open connections stay open. */
  restore(path: string): void {
    const fresh = this.#bind(path);
    this.#watch.cancel();
    this.#listener.fd.close();
    this.#listener = fresh;
    this.#watch = this.#watchListener();
  }

  #bind(path: string): UnixListener {
    const options = { type: "stream", backlog: BACKLOG, nonblocking: true } as const;
    return UnixListener.bind(this.platform.sockets, path, options);
  }

  /**
   * Stops accepting: new clients wait in the queue. Resolves when no client is still sending a request or receiving its
   * response, or at the limit; clients that wait for the outcome of a command keep waiting.
   */
  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#watch.arm({});
    await this.#connections.settle();
  }

  /** After the service has ended: answers every client, including those still in the accept queue. */
  answerRemainingClients(): Promise<void> {
    return waitWhile(this.platform.clock, () => {
      this.#acceptAll();
      return this.#connections.count > 0;
    }, LAST_RESPONSES_LIMIT_MS);
  }

  resume(): void {
    this.#isPaused = false;
    this.#watch.arm();
  }

  #accept(): void {
    if (this.#isPaused) return;
    try {
      this.#acceptAll();
    } finally {
      this.#watch.arm();
    }
  }

  #acceptAll(): void {
    this.#connections.accept(this.listener, (socket) => this.#isTrusted(socket));
  }

  #isTrusted(socket: Fd): boolean {
    const { sockets, processes } = this.platform;
    return processes.trustsUser(sockets.peerCredentials(socket).uid);
  }

  /** Moves the socket to `path` and replaces the one there: a client always finds one of them. */
  moveTo(path: string): void {
    this.#listener.moveTo(path);
  }

  close(): void {
    this.#watch.cancel();
    this.#listener.close();
    this.#connections.close();
  }

  /** Whether the path is this baton's: false after an upgrade, when it belongs to the new one. */
  get isInPlace(): boolean {
    return this.#listener.isInPlace;
  }
}
