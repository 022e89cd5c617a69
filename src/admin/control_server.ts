/**
 * The control socket: HTTP over a Unix socket of mode 0600, for the owner and root only.
 *
 * Every connection is checked by the peer's user id from the kernel (SO_PEERCRED, unix(7)), because another process can
 * change file modes. That is why this is not Bun.serve or Deno.serve: neither reveals the peer. Connections are bounded
 * in number, bytes and time, so that a stuck client costs nothing.
 */
import { sleep, type Timer } from "../platform/clock.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { encodeResponse, MAX_BODY_BYTES, MAX_HEAD_BYTES, parseRequest } from "./http1.ts";
import { errorText } from "../platform/error.ts";
import { concatBytes } from "../platform/bytes.ts";
import { UnixListener } from "../platform/network/unix_listener.ts";

const MAX_CONNECTIONS = 32;
const BACKLOG = 32;
/** A request must be complete within this time. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Longest wait for slow clients before an upgrade in place. */
const PAUSE_LIMIT_MS = 500;
const PAUSE_LOOK_MS = 5;
/** Longest wait for clients without a response before baton exits. */
const LAST_RESPONSES_LIMIT_MS = 500;
const READ_SIZE = 16 * 1024;
const JSON_TYPE = "application/json";

/** A hono app, or another handler with its signature. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

export class ControlServer {
  #listener: UnixListener;
  #watch: Watch;
  readonly #connections = new Set<HttpConnection>();
  #isPaused = false;

  /**
   * Binds `path`, which must be free: the caller holds the service's lock.
   * @param kept a socket that already listens at `path`
   */
  constructor(
    readonly platform: Platform,
    path: string,
    readonly handler: FetchHandler,
    kept: Fd | null = null,
  ) {
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
   * response, or after `PAUSE_LIMIT_MS`; clients that wait for the outcome of a command keep waiting.
   */
  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#watch.arm({});
    const isTransferring = () => [...this.#connections].some((each) => each.isTransferring);
    await this.#waitWhile(isTransferring, PAUSE_LIMIT_MS);
  }

  /** After the service has ended: answers every client, including those still in the accept queue. */
  answerRemainingClients(): Promise<void> {
    return this.#waitWhile(() => {
      this.#acceptAll();
      return this.#connections.size > 0;
    }, LAST_RESPONSES_LIMIT_MS);
  }

  async #waitWhile(condition: () => boolean, limitMs: number): Promise<void> {
    const { clock } = this.platform;
    const deadline = clock.now() + limitMs;
    while (condition() && clock.now() < deadline) {
      await sleep(clock, PAUSE_LOOK_MS);
    }
  }

  resume(): void {
    this.#isPaused = false;
    this.#watch.arm();
  }

  #accept(): void {
    try {
      if (!this.#isPaused) this.#acceptAll();
    } finally {
      if (!this.#isPaused) this.#watch.arm();
    }
  }

  #acceptAll(): void {
    for (;;) {
      const socket = this.platform.sockets.accept(this.listener);
      if (socket === null) break;
      if (this.#connections.size >= MAX_CONNECTIONS || !this.#isTrusted(socket)) {
        socket.close();
        continue;
      }
      const connection: HttpConnection = new HttpConnection(
        this.platform,
        socket,
        this.handler,
        () => this.#connections.delete(connection),
      );
      this.#connections.add(connection);
    }
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
    for (const connection of this.#connections) connection.close();
  }

  /** False after an upgrade, when the path belongs to the new baton. */
  get isInPlace(): boolean {
    return this.#listener.isInPlace;
  }
}

/** One request and its response over a connected socket, which is then closed. */
export class HttpConnection {
  #received = new Uint8Array(0);
  #pending = new Uint8Array(0);
  #answering = false;
  readonly #watch: Watch;
  readonly #timeout: Timer;

  constructor(
    readonly platform: Platform,
    readonly socket: Fd,
    readonly handler: FetchHandler,
    readonly onClose: () => void,
  ) {
    this.#watch = platform.reactor.watch(socket, ({ readable, writable }) => {
      if (this.#pending.length > 0 && writable) this.#flush();
      else if (readable) this.#read();
      else this.close();
    });
    this.#timeout = platform.clock.after(
      REQUEST_TIMEOUT_MS,
      () => this.#respond(408, JSON_TYPE, problem("request not complete in time")),
    );
  }

  /** The client is sending its request, or receiving its response. */
  get isTransferring(): boolean {
    return !this.#answering || this.#pending.length > 0;
  }

  #read(): void {
    let bytes: Uint8Array | null;
    try {
      bytes = this.platform.descriptors.read(this.socket, new Uint8Array(READ_SIZE));
    } catch {
      return this.close();
    }
    if (bytes === null) return this.#watch.arm();
    // The client has shut down its sending side. If it still waits (`nc -N`), it gets its response; if it has closed, the
    // kernel reports a hang-up, and a reload that it requested continues.
    if (bytes.length === 0) return this.#answering ? this.#watch.arm({}) : this.close();
    if (this.#answering) return this.#watch.arm();
    const received = concatBytes(this.#received, bytes);
    this.#received = received;
    const result = received.length > MAX_HEAD_BYTES + MAX_BODY_BYTES + READ_SIZE
      ? { kind: "invalid", status: 413, message: "request is too long" } as const
      : parseRequest(received);
    if (result.kind === "incomplete") return this.#watch.arm();
    if (result.kind === "invalid") {
      return this.#respond(result.status, JSON_TYPE, problem(result.message));
    }
    this.#timeout.cancel();
    this.#answering = true;
    this.#watch.arm();
    const { method, target, headers, body } = result.request;
    const init: RequestInit = { method, headers: Object.fromEntries(headers) };
    if (method !== "GET" && method !== "HEAD") init.body = new Uint8Array(body);
    this.#answer(`http://baton${target}`, init);
  }

  async #answer(url: string, init: RequestInit): Promise<void> {
    try {
      const response = await this.handler(new Request(url, init));
      const body = new Uint8Array(await response.arrayBuffer());
      this.#respond(response.status, response.headers.get("content-type") ?? JSON_TYPE, body);
    } catch (error) {
      this.#respond(500, JSON_TYPE, problem(errorText(error)));
    }
  }

  #respond(status: number, type: string, body: Uint8Array): void {
    if (!this.socket.isOpen) return;
    this.#timeout.cancel();
    this.#answering = true;
    this.#pending = new Uint8Array(encodeResponse(status, type, body));
    this.#flush();
  }

  #flush(): void {
    try {
      while (this.#pending.length > 0) {
        const count = this.platform.descriptors.write(this.socket, this.#pending);
        if (count === null) return this.#watch.arm({ write: true });
        this.#pending = this.#pending.subarray(count);
      }
    } catch {
      // The client has disconnected.
    }
    this.close();
  }

  close(): void {
    if (!this.socket.isOpen) return;
    this.#timeout.cancel();
    this.#watch.cancel();
    this.socket.close();
    this.onClose();
  }
}

function problem(message: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ error: message }));
}
