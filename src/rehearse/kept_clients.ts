/**
 * Clients that keep their connection, and ask again as soon as they have an answer: HTTP/1.1 without TLS. So the end of a
 * connection meets a request, unless the server has said in an answer that it is the last one.
 */
import { HttpAnswer } from "../health/http_answer.ts";
import { sleep } from "../platform/clock.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { formatAddress, type InetAddress } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import type { Readiness } from "../platform/reactor.ts";

const REQUEST = new TextEncoder().encode(
  "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: baton-rehearse\r\n\r\n",
);
const CLIENTS = 4;
const REFUSED_PAUSE_MS = 10;
const BUFFER_BYTES = 64 * 1024;
const LONGEST_BODY = 16 * 1024 * 1024;

/** Address of a listener: of TCP, or the path of a Unix socket. */
export type ServiceAddress = InetAddress | { readonly family: "unix"; readonly path: string };

interface Counts {
  readonly requests: number;
  /** Requests without a whole answer. */
  readonly lost: number;
}

/** @returns whether the server answers a second request on a connection, as far as is seen in `limitMs` */
export async function keepsConnections(
  platform: Platform,
  address: ServiceAddress,
  limitMs: number,
): Promise<boolean> {
  const connection = new KeptConnection(platform, address, 2);
  const timer = platform.clock.after(limitMs, () => connection.close());
  await connection.ended;
  timer.cancel();
  return connection.answered === 2;
}

export class KeptClients {
  readonly #connections = new Set<KeptConnection>();
  readonly #running: Promise<void>[];
  #requests = 0;
  #lost = 0;
  #isOver = false;

  constructor(readonly platform: Platform, readonly address: ServiceAddress) {
    this.#running = Array.from({ length: CLIENTS }, () => this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const connection = new KeptConnection(this.platform, this.address, Infinity);
      this.#connections.add(connection);
      await connection.ended;
      this.#connections.delete(connection);
      this.#requests += connection.answered + (connection.isOwed ? 1 : 0);
      if (connection.isOwed) this.#lost++;
      if (connection.answered === 0) await sleep(this.platform.clock, REFUSED_PAUSE_MS);
    }
  }

  /** @param limitMs how long answers may take that are still owed */
  async stop(limitMs: number): Promise<Counts> {
    this.#isOver = true;
    for (const connection of this.#connections) connection.finish();
    const timer = this.platform.clock.after(limitMs, () => {
      for (const connection of this.#connections) connection.close();
    });
    await Promise.all(this.#running);
    timer.cancel();
    return { requests: this.#requests, lost: this.#lost };
  }
}

/** One connection, until it ends, or the server has said that it will. */
class KeptConnection {
  answered = 0;
  /** Whether it has ended with a request that has no whole answer. */
  isOwed = false;
  readonly ended: Promise<void>;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #socket: Fd | null = null;
  #watch: ReturnType<Platform["reactor"]["watch"]> | null = null;
  #answer: HttpAnswer | null = null;
  #left: number;
  #end: () => void = () => {};

  /** @param left requests to be made */
  constructor(
    readonly platform: Platform,
    readonly address: ServiceAddress,
    left: number,
  ) {
    this.#left = left;
    this.ended = new Promise((resolve) => this.#end = resolve);
    const { sockets, reactor } = platform;
    const socket = sockets.stream(address.family, { nonblocking: true });
    this.#socket = socket;
    try {
      // At a path, the end of the call is the end of the connect.
      if (address.family === "unix") sockets.connectUnix(socket, address.path);
      else sockets.startConnecting(socket, address);
      this.#watch = reactor.watch(socket, (ready) => this.#step(socket, ready), { write: true });
    } catch (error) {
      platform.clock.after(0, () => this.#fail(error));
    }
  }

  /** Makes no further request: the connection ends with the answer that is owed. */
  finish(): void {
    this.#left = 0;
    if (this.#answer === null) this.close();
  }

  close(): void {
    if (this.#socket === null) return;
    this.isOwed = this.#answer !== null;
    this.#watch?.cancel();
    this.#socket.close();
    this.#socket = null;
    this.#end();
  }

  #step(socket: Fd, { readable, hangup }: Readiness): void {
    try {
      if (this.#answer === null) this.#ask(socket);
      else if (readable || hangup) this.#read(socket, this.#answer);
      if (this.#socket !== null) this.#watch?.arm({ read: true });
    } catch (error) {
      this.#fail(error);
    }
  }

  #ask(socket: Fd): void {
    const { sockets, descriptors } = this.platform;
    if (this.answered === 0 && this.address.family !== "unix") {
      const failed = sockets.connectingFailure(socket, formatAddress(this.address));
      if (failed !== null) throw failed;
    }
    this.#left--;
    this.#answer = new HttpAnswer(LONGEST_BODY);
    descriptors.write(socket, REQUEST);
  }

  #read(socket: Fd, answer: HttpAnswer): void {
    const bytes = this.platform.descriptors.read(socket, this.#buffer);
    if (bytes === null) return;
    if (bytes.length === 0) answer.end();
    else answer.add(bytes);
    if (answer.isComplete) {
      this.answered++;
      this.#answer = null;
      const isLast = /\bclose\b/i.test(answer.head?.headers.get("connection") ?? "");
      if (bytes.length === 0 || isLast || this.#left <= 0) this.close();
      else this.#ask(socket);
    } else if (bytes.length === 0) this.close();
  }

  #fail(error: unknown): void {
    if (!(error instanceof SystemCallError)) throw error;
    this.close();
  }
}
