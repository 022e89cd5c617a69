/**
 * Connections with one request each, over the sockets that a listener accepts. Bounded in number, bytes and time, so that
 * a stuck client costs nothing.
 */
import { type Clock, sleep } from "../platform/clock.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { type FetchHandler, HttpConnection } from "./http_connection.ts";

/** Longest wait for slow clients before an upgrade in place. */
const SETTLE_LIMIT_MS = 500;
const LOOK_MS = 5;

export class HttpConnections {
  readonly #open = new Set<HttpConnection>();

  /**
   * @param most connections at a time; streams do not count
   * @param full what makes room then: the one that has just come is closed, or the one that has been silent for longest;
   * where none is silent, one that does not read its response
   */
  constructor(
    readonly platform: Platform,
    readonly handler: FetchHandler,
    readonly most: number,
    readonly full: "refuse" | "replace" = "refuse",
  ) {}

  get count(): number {
    return this.#open.size;
  }

  get areTransferring(): boolean {
    return [...this.#open].some((each) => each.isTransferring);
  }

  /** Resolves when no client sends its request or receives its response, or at the limit. */
  async settle(limitMs = SETTLE_LIMIT_MS): Promise<void> {
    await waitWhile(this.platform.clock, () => this.areTransferring, limitMs);
  }

  /** Accepts all that wait. @param isTrusted others are closed @returns how many there were */
  accept(listener: Fd, isTrusted: (socket: Fd) => boolean): number {
    const { sockets } = this.platform;
    let count = 0;
    for (let socket = sockets.accept(listener); socket; socket = sockets.accept(listener)) {
      count++;
      if (!isTrusted(socket) || !this.#hasRoom()) socket.close();
      else this.#serve(socket);
    }
    return count;
  }

  #hasRoom(): boolean {
    const ordinary = [...this.#open].filter((each) => !each.isStreaming);
    if (ordinary.length < this.most) return true;
    if (this.full === "refuse") return false;
    const idle = ordinary.find((each) => each.isSilent) ?? ordinary.find((each) => each.isSlow);
    idle?.close();
    return idle !== undefined;
  }

  #serve(socket: Fd): void {
    const connection: HttpConnection = new HttpConnection(
      this.platform,
      socket,
      this.handler,
      () => this.#open.delete(connection),
    );
    this.#open.add(connection);
  }

  close(): void {
    for (const connection of this.#open) connection.close();
  }
}

/** A socket that listens for all, with the connections that it has accepted. While it is paused, clients wait in its queue. */
export class HttpListener {
  readonly #watch: Watch;
  #isPaused = false;
  /** Connections so far. */
  accepted = 0;

  /** @param socket owned from now on */
  constructor(
    { reactor }: Platform,
    readonly socket: Fd,
    readonly connections: HttpConnections,
  ) {
    this.#watch = reactor.watch(socket, () => this.#accept());
  }

  /** New clients wait in the queue; resolves when the present ones have their responses, or will not get them soon. */
  pause(): Promise<void> {
    this.#isPaused = true;
    this.#watch.arm({});
    return this.connections.settle();
  }

  resume(): void {
    this.#isPaused = false;
    this.#watch.arm();
  }

  #accept(): void {
    if (this.#isPaused) return;
    try {
      this.accepted += this.connections.accept(this.socket, () => true);
    } finally {
      if (this.socket.isOpen) this.#watch.arm();
    }
  }

  /** Before the end: clients in the queue get an answer. */
  finish(): Promise<void> {
    if (this.socket.isOpen) this.#accept();
    return this.connections.settle();
  }

  /** Accepts those who wait, and then no others. */
  retire(): void {
    if (!this.socket.isOpen) return;
    this.#accept();
    this.#watch.cancel();
    this.socket.close();
  }

  /** Closes the connections, too. */
  close(): void {
    if (this.socket.isOpen) this.#watch.cancel();
    this.socket.close();
    this.connections.close();
  }
}

/** @param limitMs the longest wait */
export async function waitWhile(
  clock: Clock,
  condition: () => boolean,
  limitMs: number,
): Promise<void> {
  const deadline = clock.now() + limitMs;
  while (condition() && clock.now() < deadline) await sleep(clock, LOOK_MS);
}
