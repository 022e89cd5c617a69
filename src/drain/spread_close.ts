/**
 * Closes long-lived connections one by one over the last part of a drain, so that their clients do not all come back in
 * one moment. From outside (connection_ending.ts): to the server it is as if the client had left, the client sees the
 * end after all that was sent. Each of them is cut: it was owed something.
 *
 * Where that is refused (another user's process, a profile without pidfd_getfd) they end with the server, all at once.
 */
import type { Platform } from "../platform/platform.ts";
import { ConnectionCloser, type SocketSample } from "./connection_closer.ts";

/** When it begins, and when all must be gone. */
export interface SpreadWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/** So many more than are due are looked at: on some a message is under way just now. */
const SPARE = 8;

export class SpreadClose {
  readonly #ending: ConnectionCloser;
  /** When the latest one was due. */
  #sinceMs = -Infinity;
  #workedAtMs = -Infinity;

  /** @param processes who may have the connections */
  constructor(platform: Platform, processes: () => readonly number[]) {
    this.#ending = new ConnectionCloser(platform, processes, "both");
  }

  /** False once it was refused. */
  get isPermitted(): boolean {
    return this.#ending.isPermitted;
  }

  /** @param connections long-lived ones: inodes @returns those that were closed now */
  closeDue(connections: readonly number[], atMs: number, window: SpreadWindow): readonly number[] {
    const workedAtMs = Math.max(window.fromMs, this.#workedAtMs);
    this.#workedAtMs = atMs;
    if (atMs < window.fromMs || connections.length === 0) {
      this.#sinceMs = atMs;
      return [];
    }
    const sinceMs = Math.max(window.fromMs, this.#sinceMs);
    const times = { sinceMs, workedAtMs, atMs, toMs: window.toMs };
    const { due, stepMs } = dueNow(connections.length, times);
    let left = due;
    const mayEnd = (_: number, moment: SocketSample) => left > 0 && isAtRest(moment) && left-- > 0;
    const closed = due === 0 ? [] : this.#ending.closeIf(connections.slice(0, due + SPARE), mayEnd);
    // Who could not be closed when it was due is not caught up with: the rest has more time each.
    if (closed.length > 0) this.#sinceMs = Math.max(workedAtMs, sinceMs + closed.length * stepMs);
    return closed;
  }
}

/** Of a series, one more of which would be due at its end: that is when the server is told to stop. */
interface Due {
  readonly due: number;
  /** From one to the next. */
  readonly stepMs: number;
}

interface Times {
  /** When the latest one was due, or the series began. */
  readonly sinceMs: number;
  /** Of the step before. */
  readonly workedAtMs: number;
  readonly atMs: number;
  readonly toMs: number;
}

export function dueNow(count: number, { sinceMs, workedAtMs, atMs, toMs }: Times): Due {
  if (atMs >= toMs) return { due: count, stepMs: 0 };
  const stepMs = (toMs - sinceMs) / (count + 1);
  const most = Math.max(1, Math.floor((atMs - workedAtMs) / stepMs));
  return { due: Math.min(count, most, Math.floor((atMs - sinceMs) / stepMs)), stepMs };
}

/** Nothing of the client's waits for the server. */
function isAtRest({ traffic, receiveQueue }: SocketSample): boolean {
  return receiveQueue === 0 && traffic.sinceReceivedMs >= traffic.sinceSentMs;
}
