/**
 * Closes long-lived connections one by one over the last part of a drain, so that their clients do not all reconnect at
 * the same moment: to the server the client has left, and the client sees the end after all that was sent. Each such
 * connection is dropped: it was owed something. Where the kernel refuses they end with the server, all at once.
 */
import type { ConnectionCloser, SocketSample } from "./connection_closer.ts";
import type { Tracks } from "./connections.ts";
import { isLongLived } from "./track.ts";

export interface DrainPeriod {
  readonly beganAtMs: number;
  readonly endsAtMs: number;
  /** The part at its end in which long-lived connections are closed. */
  readonly spreadMs: number;
}

/** Candidates beyond those that are due: on some a message is in flight just now. */
const SPARE = 8;

export class SpreadClose {
  /** When the latest close was due. */
  #lastDueMs = -Infinity;
  #calledAtMs = -Infinity;

  /** @param closer closes both sides of a connection */
  constructor(readonly closer: ConnectionCloser) {}

  /** @returns how many of the `blocking` connections (inodes) are long-lived, and those that were closed */
  closeDue(
    blocking: Iterable<number>,
    tracks: Pick<Tracks, "get">,
    atMs: number,
    period: DrainPeriod,
  ): { readonly longLived: number; readonly closed: readonly number[] } {
    const { beganAtMs, endsAtMs, spreadMs } = period;
    const fromMs = Math.max(beganAtMs, endsAtMs - spreadMs);
    const calledAtMs = Math.max(fromMs, this.#calledAtMs);
    this.#calledAtMs = atMs;
    const inodes = [...blocking].filter((inode) => {
      const track = tracks.get(inode);
      return track !== null && isLongLived(track, atMs, period);
    }).sort((a, b) => a - b);
    const longLived = inodes.length;
    if (atMs < fromMs || longLived === 0) {
      this.#lastDueMs = atMs;
      return { longLived, closed: [] };
    }
    const sinceMs = Math.max(fromMs, this.#lastDueMs);
    const { due, stepMs } = dueNow(longLived, { sinceMs, calledAtMs, atMs, toMs: endsAtMs });
    let left = due;
    const mayClose = (_: number, sample: SocketSample) =>
      left > 0 && isAtRest(sample) && left-- > 0;
    const closed = due === 0 ? [] : this.closer.closeIf(inodes.slice(0, due + SPARE), mayClose);
    // Connections that could not be closed when due are not caught up with: the others get more time each.
    if (closed.length > 0) {
      this.#lastDueMs = Math.max(calledAtMs, sinceMs + closed.length * stepMs);
    }
    return { longLived, closed };
  }
}

interface DueTimes {
  /** When the latest close was due, or the series began. */
  readonly sinceMs: number;
  readonly calledAtMs: number;
  readonly atMs: number;
  readonly toMs: number;
}

/**
 * How many of `count` connections are due, evenly spaced up to `toMs`, where one more would be due: that is when the
 * server gets its stop signal. `stepMs` is the time from one to the next.
 */
export function dueNow(
  count: number,
  { sinceMs, calledAtMs, atMs, toMs }: DueTimes,
): { readonly due: number; readonly stepMs: number } {
  if (atMs >= toMs) return { due: count, stepMs: 0 };
  const stepMs = (toMs - sinceMs) / (count + 1);
  const most = Math.max(1, Math.floor((atMs - calledAtMs) / stepMs));
  return { due: Math.min(count, most, Math.floor((atMs - sinceMs) / stepMs)), stepMs };
}

/** Nothing from the client waits for the server. */
function isAtRest({ traffic, receiveQueue }: SocketSample): boolean {
  return receiveQueue === 0 && traffic.sinceReceivedMs >= traffic.sinceSentMs;
}
