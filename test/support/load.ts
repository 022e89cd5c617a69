/**
 * A load generator for tests: a few clients, each with one request at a time, and an exact tally of what became of
 * every request (tally.ts says what counts as what).
 *
 * It never retries, and it is bounded in requests and in time. `stop()` lets requests in flight end. Connections
 * come from several addresses of 127.0.0.0/8 in turn: with one, some 28,000 connections a minute run into the
 * client's own TIME_WAIT sockets, which looks like a server that stalls.
 */
import type { Buffer } from "node:buffer";
import { createConnection, type Socket } from "node:net";
import process from "node:process";
import { connect as connectTls } from "node:tls";
import { setImmediate } from "node:timers";
import { HttpResponse } from "./http_response.ts";
import { TEST_TIMEOUT_MS } from "./limits.ts";
import { type Cause, causeOfCode, Tally } from "./tally.ts";
import { waitUntil } from "./wait_until.ts";

export { formatTally, Tally } from "./tally.ts";
export type { Cause, LostRequest } from "./tally.ts";

export const DEFAULT_CLIENTS = 8;
export const DEFAULT_TIMEOUT_MS = 10_000;
export const DEFAULT_MAX_REQUESTS = 500_000;
export const DEFAULT_MAX_DURATION_MS = TEST_TIMEOUT_MS;
/** Where the same promises are tested a second time clients pause, so that it does not take as long. */
const DEFAULT_THINK_TIME_MS = Number(process.env["BATON_TEST_THINK_MS"] ?? 0);
/** Local addresses of the clients of an IPv4 loopback server. */
export const DEFAULT_SOURCES: readonly string[] = Array.from(
  { length: 16 },
  (_, index) => `127.0.0.${index + 2}`,
);
/** A client whose request was lost waits this long, so as not to spin on a refused port. */
const PAUSE_AFTER_LOSS_MS = 5;
const LOOK_MS = 1;
const LOOK_TURNS = 4;

export interface LoadOptions {
  readonly port?: number;
  /** @default "127.0.0.1" */
  readonly host?: string;
  /** With TLS, and no look at the certificate. @default false */
  readonly tls?: boolean;
  /** Path of a Unix socket, instead of host and port. */
  readonly unixPath?: string;
  /** Requests at the same time. @default DEFAULT_CLIENTS */
  readonly clients?: number;
  /** One connection for each request, or one for each client. @default "close" */
  readonly mode?: "close" | "keep-alive";
  /** Local addresses; empty for the kernel's choice. @default DEFAULT_SOURCES for hosts in 127.0.0.0/8 */
  readonly sources?: readonly string[];
  /** @default "/" */
  readonly path?: string;
  /** From before the connect to the last byte. @default DEFAULT_TIMEOUT_MS */
  readonly timeoutMs?: number;
  /** Pause of each client between two requests. @default BATON_TEST_THINK_MS, or 0 */
  readonly thinkTimeMs?: number;
  /** @default DEFAULT_MAX_REQUESTS */
  readonly maxRequests?: number;
  /** No request starts later than this. @default DEFAULT_MAX_DURATION_MS */
  readonly maxDurationMs?: number;
  /** Called with the body of each whole response. */
  readonly onAnswer?: (body: string) => void;
}

type Outcome =
  | { readonly response: HttpResponse }
  | { readonly cause: Cause; readonly detail: string };

export class Load implements AsyncDisposable {
  /** Counts as they are now. */
  readonly tally = new Tally();
  readonly #options: LoadOptions;
  readonly #sources: readonly string[];
  readonly #wakers = new Set<() => void>();
  #startedAt = 0;
  #requests = 0;
  #stopping = false;
  #finished: Promise<Tally> | null = null;

  constructor(options: LoadOptions) {
    if (options.port === undefined && options.unixPath === undefined) {
      throw new TypeError("Cannot make load: neither 'port' nor 'unixPath' is given");
    }
    this.#options = options;
    const isIpv4Loopback = (options.host ?? "127.0.0.1").startsWith("127.");
    this.#sources = options.sources ?? (isIpv4Loopback ? DEFAULT_SOURCES : []);
  }

  /** Starts the clients. */
  start(): this {
    if (this.#finished !== null) throw new Error("Cannot start load: it was started before");
    this.#startedAt = performance.now();
    const clients = Array.from(
      { length: this.#options.clients ?? DEFAULT_CLIENTS },
      () => this.#client(),
    );
    const deadline = setTimeout(
      () => this.#halt(),
      this.#options.maxDurationMs ?? DEFAULT_MAX_DURATION_MS,
    );
    this.#finished = Promise.all(clients).then(() => {
      clearTimeout(deadline);
      this.tally.elapsedMs = performance.now() - this.#startedAt;
      return this.tally;
    });
    return this;
  }

  /** Waits until `count` more requests were answered. */
  async answersMore(count: number): Promise<void> {
    const before = this.tally.ok;
    await waitUntil(() => this.tally.ok > before + count, { what: "requests are answered" });
  }

  /** Starts no more requests, waits for those in flight, and gives the final tally. */
  stop(): Promise<Tally> {
    this.#halt();
    return this.finished();
  }

  /** Resolves when the load has come to its bounds, or was stopped. */
  finished(): Promise<Tally> {
    return this.#finished ?? Promise.resolve(this.tally);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #halt(): void {
    this.#stopping = true;
    for (const wake of this.#wakers) wake();
  }

  async #client(): Promise<void> {
    const { mode = "close", thinkTimeMs = DEFAULT_THINK_TIME_MS } = this.#options;
    let connection: Connection | null = null;
    while (
      !this.#stopping && this.#requests < (this.#options.maxRequests ?? DEFAULT_MAX_REQUESTS)
    ) {
      this.#requests++;
      if (connection !== null && !connection.usable) {
        if (connection.idleBytes > 0) this.#addIdleBytes(connection);
        else this.tally.idleCloses++;
        connection = null;
      }
      connection ??= this.#connect();
      const reusable = await this.#exchange(connection);
      if (!reusable || mode === "close") {
        connection.close();
        connection = null;
      }
      if (thinkTimeMs > 0) {
        await this.#pause(thinkTimeMs);
        if (connection !== null) await whatHasCome();
      }
    }
    connection?.close();
  }

  #connect(): Connection {
    const { port = 0, host = "127.0.0.1", unixPath, tls = false } = this.#options;
    const source = this.#sources[this.tally.connections++ % this.#sources.length];
    const local = source === undefined ? {} : { localAddress: source };
    const plain = createConnection(
      unixPath === undefined ? { port, host, ...local } : { path: unixPath },
    );
    const socket = tls ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
    return new Connection(socket, source ?? "any address");
  }

  /** One request; true when the connection may carry another. */
  async #exchange(connection: Connection): Promise<boolean> {
    const { host = "127.0.0.1", path = "/", mode = "close" } = this.#options;
    const sentAt = performance.now();
    const reused = connection.responses > 0;
    const outcome = await connection.request(
      `GET ${path} HTTP/1.1\r\nHost: ${host.includes(":") ? `[${host}]` : host}\r\n` +
        `Connection: ${mode}\r\n\r\n`,
      this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    );
    if ("response" in outcome) {
      this.tally.addResponse(outcome.response.body, performance.now() - sentAt);
      this.#options.onAnswer?.(outcome.response.body);
      return outcome.response.keepAlive;
    }
    const from = connection.from;
    const atMs = performance.now() - this.#startedAt;
    this.tally.addLoss({ ...outcome, atMs, from, reused });
    await this.#pause(PAUSE_AFTER_LOSS_MS);
    return false;
  }

  #addIdleBytes(connection: Connection): void {
    this.tally.addLoss({
      cause: "unexpected",
      detail: `${connection.idleBytes} bytes between two requests`,
      atMs: performance.now() - this.#startedAt,
      from: connection.from,
      reused: true,
    });
    connection.close();
  }

  /** Ends early when the load stops. */
  #pause(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wakers.add(wake);
    });
  }
}

/**
 * A timer that is late is called before what has come in meanwhile is read. Any client looks whether a connection was
 * closed before it uses it again. Another timer, because setImmediate() alone has seen 17 of 20 such ends on Bun, and none
 * on Deno; then several turns, because a balancer may be in this very process.
 */
export async function whatHasCome(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  for (let turn = 0; turn < LOOK_TURNS; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** One TCP or Unix connection, with at most one request on it at a time. */
class Connection {
  /** Whole responses so far. */
  responses = 0;
  /** Bytes that came while no request was outstanding. */
  idleBytes = 0;
  /** "address:port" of our end; before it is connected, what it is to be. */
  from: string;
  readonly #socket: Socket;
  #open = true;
  #response = new HttpResponse();
  #settle: ((outcome: Outcome) => void) | null = null;

  constructor(socket: Socket, source: string) {
    this.#socket = socket;
    this.from = source;
    socket.on("connect", () => {
      this.from = `${socket.localAddress ?? "unix"}:${socket.localPort ?? 0}`;
    });
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("end", () => this.#ended());
    socket.on("error", (error: Error & { code?: string }) => {
      this.#lose(causeOfCode(error.code), `${error.message}, after ${this.#response.describe()}`);
    });
    socket.on("close", () => this.#ended());
  }

  /** Whether another request may be sent. */
  get usable(): boolean {
    return this.#open && this.idleBytes === 0;
  }

  request(text: string, timeoutMs: number): Promise<Outcome> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#lose("timedOut", `${timeoutMs} ms passed, with ${this.#response.describe()}`);
      }, timeoutMs);
      this.#response = new HttpResponse();
      this.#settle = (outcome) => {
        clearTimeout(timer);
        this.#settle = null;
        resolve(outcome);
      };
      this.#socket.write(text, "latin1");
    });
  }

  close(): void {
    this.#open = false;
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    if (this.#settle === null) {
      this.idleBytes += bytes.length;
      return;
    }
    this.#response.feed(bytes.toString("latin1"));
    this.#check();
  }

  /** Settles when the response is whole, or can never be. */
  #check(): void {
    const response = this.#response;
    if (response.malformed) {
      this.#lose("unexpected", `malformed response: ${response.fault}`);
    } else if (response.complete && response.excess.length > 0) {
      this.#lose("unexpected", `${response.excess.length} bytes after the response`);
    } else if (response.complete && response.status !== 200) {
      this.#lose("unexpected", `status ${response.status}`);
    } else if (response.complete) {
      this.responses++;
      this.#settle?.({ response });
    }
  }

  #ended(): void {
    this.#open = false;
    if (this.#settle === null) return;
    this.#response.end();
    this.#check();
    this.#lose("short", `connection ended after ${this.#response.describe()}`);
  }

  #lose(cause: Cause, detail: string): void {
    this.#open = false;
    this.#settle?.({ cause, detail });
  }
}
