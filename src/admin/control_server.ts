/**
 * The control socket: HTTP over a Unix socket of mode 0600, for the owner and root only.
 *
 * The peer's user id is asked of the kernel (SO_PEERCRED, unix(7)) at every connection, because file
 * modes can be changed behind our back. It is our own server and not the runtime's for that reason:
 * neither Bun.serve nor Deno.serve tells who is at the other end. Every connection is bounded in
 * bytes and time, and their number is bounded, so that a stuck client costs nothing.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { encodeResponse, MAX_BODY_BYTES, MAX_HEAD_BYTES, parseRequest } from "./http1.ts";
import { errorText } from "../platform/error.ts";
import { concatBytes } from "../platform/bytes.ts";
import { UnixListener } from "../platform/network/unix_listener.ts";

const MAX_CONNECTIONS = 32;
const BACKLOG = 32;
/** A request must be complete after this time. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Before an upgrade in place, for clients that are slow. */
const PAUSE_LIMIT_MS = 500;
const PAUSE_LOOK_MS = 5;
/** How long the end of baton waits for clients that have not had their answer yet. */
const FAREWELL_LIMIT_MS = 500;
const READ_SIZE = 16 * 1024;
const JSON_TYPE = "application/json";

/** A hono app, or anything that answers like one. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

export class ControlServer {
  #listener: UnixListener;
  #watch: Watch;
  readonly #connections = new Set<HttpConnection>();
  #isPaused = false;

  /**
   * Binds `path`, which must be free: the caller holds the service's lock.
   * @param kept a socket that listens at `path` already
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

  /** Passed on when this process becomes another program, so that no client is refused. */
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

  /** Listens at `path` again after the socket was removed there. Open connections stay open. */
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
   * Lets nobody in: who connects waits in the queue. Resolves when nobody inside is in the middle of
   * a request, or too slow; who waits for the answer of a command goes on waiting.
   */
  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#watch.arm({});
    const deadline = performance.now() + PAUSE_LIMIT_MS;
    const isTalking = () => [...this.#connections].some((connection) => connection.isTalking);
    while (isTalking() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_LOOK_MS));
    }
  }

  /** The service has ended: answers every client, including those still in the accept queue. */
  async answerRemainingClients(): Promise<void> {
    const deadline = performance.now() + FAREWELL_LIMIT_MS;
    for (;;) {
      this.#acceptAll();
      if (this.#connections.size === 0 || performance.now() >= deadline) return;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_LOOK_MS));
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
      if (this.#connections.size >= MAX_CONNECTIONS || !this.#mayTalk(socket)) {
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

  #mayTalk(socket: Fd): boolean {
    const { sockets, processes } = this.platform;
    return processes.trustsUser(sockets.peerCredentials(socket).uid);
  }

  /** Moves the socket to `path`, over what is there: clients find one or the other, never none. */
  moveTo(path: string): void {
    this.#listener.moveTo(path);
  }

  close(): void {
    this.#watch.cancel();
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
  }

  /** False after an upgrade: the path belongs to the new baton then. */
  get isInPlace(): boolean {
    return this.#listener.isInPlace;
  }
}

/** One request and its answer over a connected socket, which ends with it. */
export class HttpConnection {
  #received = new Uint8Array(0);
  #pending = new Uint8Array(0);
  #answering = false;
  readonly #watch: Watch;
  readonly #timeout: ReturnType<typeof setTimeout>;

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
    this.#timeout = setTimeout(
      () => this.#respond(408, JSON_TYPE, problem("request not complete in time")),
      REQUEST_TIMEOUT_MS,
    );
  }

  /** It is sending its request, or being sent its answer. */
  get isTalking(): boolean {
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
    // It has sent all it wanted to. If it still waits for the answer (`nc -N`), it gets it; if it has
    // gone the kernel reports a hang-up, and a reload that it asked for goes on without it.
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
    clearTimeout(this.#timeout);
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
      const text = errorText(error);
      this.#respond(500, JSON_TYPE, problem(text));
    }
  }

  #respond(status: number, type: string, body: Uint8Array): void {
    if (!this.socket.isOpen) return;
    clearTimeout(this.#timeout);
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
      // The client has gone.
    }
    this.close();
  }

  close(): void {
    if (!this.socket.isOpen) return;
    clearTimeout(this.#timeout);
    this.#watch.cancel();
    this.socket.close();
    this.onClose();
  }
}

function problem(message: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ error: message }));
}
