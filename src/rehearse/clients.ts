/**
 * Clients of the rehearsed service. What an ordinary exchange is, is learned from the running server: what it says first,
 * what it answers to an HTTP request, or nothing. A later connection is lost if it ends in any other way.
 */
import { sleep } from "../platform/clock.ts";
import { SystemCallError } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";
import { formatAddress, reachable } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import type { Readiness } from "../platform/reactor.ts";
import { keepsConnections, type ServiceAddress } from "./kept_clients.ts";

const REQUEST = new TextEncoder().encode(
  "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: baton-rehearse\r\nConnection: close\r\n\r\n",
);
/** How long a server that speaks first may take, and one that answers. */
const GREETING_MS = 300;
const ANSWER_MS = 5_000;
/** How long a connection is kept on which nothing is to be heard. */
const SILENT_MS = 30;
const PAUSE_MS = 10;
const MOST_READ = 1024 * 1024;
const CLIENTS = 4;

/** How a connection ended; `open`: something was heard, and it has not ended. */
type End = "answered" | "closed" | "silent" | "open" | "refused" | "reset";

/** What is ordinary at one address. */
export interface Manner {
  readonly address: ServiceAddress;
  readonly says: "greeting" | "request" | "nothing";
  readonly end: End;
  /** Whether the server answers a second request on a connection. */
  readonly keeps: boolean;
}

interface ExchangeOptions {
  readonly address: ServiceAddress;
  readonly sent: Uint8Array | null;
  readonly limitMs: number;
  /** Whether the first bytes are the whole answer; else the end of the connection is awaited. */
  readonly firstBytes: boolean;
}

/** One connection. @returns how it ended */
function exchange(platform: Platform, options: ExchangeOptions): Promise<End> {
  const { sockets, descriptors, reactor, clock } = platform;
  const { address, sent, limitMs, firstBytes } = options;
  return new Promise((resolve) => {
    const socket = sockets.stream(address.family, { nonblocking: true });
    const buffer = new Uint8Array(16 * 1024);
    let [isConnected, heard] = [false, 0];
    const finish = (end: End) => {
      timer.cancel();
      watch?.cancel();
      socket.close();
      resolve(end);
    };
    const timer = clock.after(limitMs, () => finish(heard > 0 ? "open" : "silent"));
    const onReady = ({ readable, hangup }: Readiness) => {
      try {
        if (!isConnected) {
          const failed = address.family === "unix"
            ? null
            : sockets.connectingFailure(socket, formatAddress(address));
          if (failed !== null) throw failed;
          isConnected = true;
          if (sent !== null) descriptors.write(socket, sent);
        }
        if (readable || hangup) {
          const bytes = descriptors.read(socket, buffer);
          if (bytes?.length === 0) return finish(heard > 0 ? "answered" : "closed");
          heard += bytes?.length ?? 0;
          if (heard > 0 && (firstBytes || heard > MOST_READ)) return finish("answered");
        }
        watch?.arm({ read: true });
      } catch (error) {
        finish(endOf(error));
      }
    };
    let watch: ReturnType<typeof reactor.watch> | null = null;
    try {
      // At a path, the end of the call is the end of the connect.
      if (address.family === "unix") sockets.connectUnix(socket, address.path);
      else sockets.startConnecting(socket, address);
      watch = reactor.watch(socket, onReady, { write: true });
    } catch (error) {
      clock.after(0, () => finish(endOf(error)));
    }
  });
}

function endOf(error: unknown): End {
  if (!(error instanceof SystemCallError)) throw error;
  // ENOENT: the path is gone.
  return error.errno === C.ECONNREFUSED || error.errno === C.ENOENT ? "refused" : "reset";
}

/** Finds out what is ordinary at `address`. @param answerMs how long an answer may take */
export async function learnManner(
  platform: Platform,
  address: ServiceAddress,
  answerMs: number = ANSWER_MS,
): Promise<Manner> {
  const greeting = await exchange(platform, {
    address,
    sent: null,
    limitMs: GREETING_MS,
    firstBytes: true,
  });
  if (greeting !== "silent") return { address, says: "greeting", end: greeting, keeps: false };
  const end = await exchange(platform, { ...requestAt(address), limitMs: answerMs });
  const keeps = end === "answered" && await keepsConnections(platform, address, answerMs);
  // What was heard was no answer, if the connection stays open: news for all who listen, for example.
  const isAnswer = end !== "silent" && end !== "open";
  return { address, says: isAnswer ? "request" : "nothing", end: isAnswer ? end : "silent", keeps };
}

function requestAt(address: ServiceAddress): ExchangeOptions {
  return { address, sent: REQUEST, limitMs: ANSWER_MS, firstBytes: false };
}

/** Clients that make one connection after the other until they are stopped. */
export class Clients {
  readonly #lost = new Map<string, number>();
  readonly #running: Promise<void>[];
  #exchanges = 0;
  #slowestMs = 0;
  #isOver = false;

  /** @param patienceMs while one copy ends and the next one starts, a connection waits that long */
  constructor(
    readonly platform: Platform,
    manners: readonly Manner[],
    readonly patienceMs: number,
  ) {
    const usable = manners.filter(({ end }) => end !== "refused");
    const count = usable.length === 0 ? 0 : Math.max(CLIENTS, usable.length);
    this.#running = Array.from({ length: count }, (_, i) => this.#run(usable[i % usable.length]!));
  }

  async #run(manner: Manner): Promise<void> {
    const { clock } = this.platform;
    while (!this.#isOver) {
      const startedAt = clock.now();
      const end = await exchange(this.platform, this.#optionsFor(manner));
      this.#exchanges++;
      this.#slowestMs = Math.max(this.#slowestMs, clock.now() - startedAt);
      const isNews = manner.says === "nothing" && end === "open";
      if (end !== manner.end && !isNews) this.#count(manner, end);
      await sleep(clock, PAUSE_MS);
    }
  }

  #optionsFor({ address, says, end }: Manner): ExchangeOptions {
    const limitMs = says === "nothing" ? SILENT_MS : this.patienceMs;
    if (says === "request") return { ...requestAt(address), limitMs };
    return { address, sent: null, limitMs, firstBytes: end === "answered" };
  }

  #count({ address }: Manner, end: End): void {
    const words = {
      silent: "without an answer",
      open: "without the end of it",
      answered: "answered otherwise",
    } as const;
    const how = `${textOf(address)}: ${words[end as keyof typeof words] ?? end}`;
    this.#lost.set(how, (this.#lost.get(how) ?? 0) + 1);
  }

  /** Resolves when the last exchange is over. */
  async stop() {
    this.#isOver = true;
    await Promise.all(this.#running);
    const lost = [...this.#lost].map(([how, count]) => ({ how, count }));
    return { exchanges: this.#exchanges, lost, slowestMs: Math.round(this.#slowestMs) };
  }
}

export function textOf(address: ServiceAddress): string {
  return address.family === "unix" ? `unix:${address.path}` : formatAddress(address);
}

/** @param text of a listener: "[::]:80", "127.0.0.1:80", "unix:/run/a.sock" @returns where it is reached; null: nowhere */
export function addressIn(text: string): ServiceAddress | null {
  const [, path] = /^unix:(\/.+)$/.exec(text) ?? [];
  if (path !== undefined) return { family: "unix", path };
  const [, inet6, inet = "", port] = /^(?:\[(.+)\]|([\d.]+)):(\d+)$/.exec(text) ?? [];
  if (port === undefined) return null;
  const rest = { port: Number(port), scope: 0 };
  return reachable(
    inet6 === undefined
      ? { family: "inet", host: inet, ...rest }
      : { family: "inet6", host: inet6, ...rest },
  );
}
