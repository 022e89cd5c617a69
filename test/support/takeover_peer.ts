/** A peer of the takeover protocol that says whatever a test wants, on either side of it. */
import type { Fd } from "../../src/platform/fd.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { ownNamespace } from "../../src/platform/process/proc.ts";
import { waitUntil } from "./wait_until.ts";

/** More than any message that a baton sends. */
const LIMIT = 256 * 1024;
const DEADLINE_MS = 30_000;

export type Said = Readonly<Record<string, unknown>> & { readonly kind: string };

export class TakeoverPeer implements Disposable {
  /** Descriptors that came, in order. */
  readonly fds: Fd[] = [];

  constructor(readonly platform: Platform, readonly socket: Fd) {}

  /** Connects as a new baton would. */
  static connect(platform: Platform, path: string): TakeoverPeer {
    const socket = platform.sockets.packets({ nonblocking: true });
    platform.sockets.connectUnix(socket, path);
    return new TakeoverPeer(platform, socket);
  }

  say(message: unknown, fds: readonly Fd[] = []): void {
    this.sayBytes(new TextEncoder().encode(JSON.stringify(message)), fds);
  }

  sayBytes(data: Uint8Array, fds: readonly Fd[] = []): void {
    this.platform.descriptors.send(this.socket, data, fds);
  }

  /** The next message; null when the other side has closed. */
  async hear(): Promise<Said | null> {
    const heard = await waitUntil(() => {
      try {
        return this.platform.descriptors.receive(this.socket, LIMIT);
      } catch {
        return "closed";
      }
    }, { what: "the other side says something", deadlineMs: DEADLINE_MS });
    if (heard === "closed" || heard.data.length === 0) return null;
    this.fds.push(...heard.fds);
    return JSON.parse(new TextDecoder().decode(heard.data));
  }

  /** Asks, and hears the answer. */
  async ask(message: unknown): Promise<Said | null> {
    this.say(message);
    return await this.hear();
  }

  [Symbol.dispose](): void {
    this.fds.forEach((fd) => fd.close());
    this.socket.close();
  }
}

/** A handoff socket that belongs to the test. */
export class FakeOldBaton implements Disposable {
  readonly #listener: Fd;

  constructor(readonly platform: Platform, path: string) {
    this.#listener = platform.sockets.packets({ nonblocking: true });
    platform.sockets.bindUnix(this.#listener, path);
    platform.sockets.listen(this.#listener, 4);
  }

  async accept(): Promise<TakeoverPeer> {
    const socket = await waitUntil(() => this.platform.sockets.accept(this.#listener), {
      what: "a new baton connects",
      deadlineMs: DEADLINE_MS,
    });
    return new TakeoverPeer(this.platform, socket);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

export function hello(change: object = {}): object {
  return {
    kind: "hello",
    versions: { min: 1, max: 1 },
    baton: "9.9.9",
    name: "test",
    network: ownNamespace("net"),
    readyTimeoutMs: 5_000,
    survives: false,
    ...change,
  };
}

export function accepted(change: object = {}): object {
  return {
    kind: "accepted",
    version: 1,
    baton: "9.9.9",
    name: "test",
    network: ownNamespace("net"),
    epoch: 4,
    nextEpoch: 5,
    startedAt: "2026-01-01T00:00:00.000Z",
    notified: false,
    counters: { ok: 0, failed: 0, crashes: 0 },
    groups: 1,
    survives: false,
    ...change,
  };
}
