/** What baton sees of another process's TCP connection at one moment, through a duplicate of its descriptor. */
import { type Activity, classify } from "../drain/classify.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { classifyUnread, HEAD_LIMIT, type UnreadHead } from "./request_head.ts";

export interface Sample {
  readonly atMs: number;
  readonly received: number;
  readonly unread: number;
  /** Bytes sent by the server that the client has acknowledged, and those it has not. */
  readonly acknowledged: number;
  readonly unacknowledged: number;
  /** The server sent the last byte, as far as kernel ticks can tell. */
  readonly serverSentLast: boolean;
  /** Time since the last byte in either direction. */
  readonly silentMs: number;
  readonly activity: Activity;
  /** What the unread bytes start with; null: there are none. */
  readonly head: UnreadHead | null;
}

const buffer = new Uint8Array(HEAD_LIMIT);

/** Bytes the server has read. */
export function bytesRead({ received, unread }: Sample): number {
  return received - unread;
}

/** Bytes the server has sent, acknowledged or not. */
export function bytesSent({ acknowledged, unacknowledged }: Sample): number {
  return acknowledged + unacknowledged;
}

/**
 * All values belong to one moment: nothing has arrived between the first and the last system call.
 * @returns null when data arrives too fast for that, or the connection is no longer established
 */
export function takeSample(
  { sockets, sockDiag, clock }: Platform,
  socket: Fd,
  quietMs: number,
): Sample | null {
  const atMs = clock.now();
  const before = sockDiag.trafficOf(socket);
  const unread = sockets.unreadBytes(socket);
  const unacknowledged = sockets.unacknowledgedBytes(socket);
  const traffic = sockDiag.trafficOf(socket);
  if (traffic === null || before?.bytesReceived !== traffic.bytesReceived) return null;
  const { bytesReceived: received, bytesAcked: acknowledged } = traffic;
  const { sinceSentMs, sinceReceivedMs, sinceAckMs } = traffic;
  const serverSentLast = received > 0 && acknowledged > 0 && (sinceSentMs < sinceReceivedMs ||
    (sinceSentMs === sinceReceivedMs && sinceAckMs < sinceReceivedMs));
  const bytes = unread === 0 ? buffer.subarray(0, 0) : sockets.peek(socket, buffer);
  if (unread > 0 && bytes.length === 0) return null;
  const head = unread === 0 ? null : classifyUnread(bytes);
  const row = {
    state: C.TCP_ESTABLISHED,
    receiveQueue: unread,
    sendQueue: unacknowledged,
    traffic,
  };
  return {
    atMs,
    received,
    unread,
    acknowledged,
    unacknowledged,
    serverSentLast,
    silentMs: Math.min(sinceSentMs, sinceReceivedMs),
    activity: classify(row, quietMs),
    head,
  };
}
