/**
 * What baton sees of another process's TCP connection at one moment, and how it pauses one, through a duplicate of its
 * descriptor.
 *
 * A *paused* socket has a low-water mark that is never reached (SO_RCVLOWAT, socket(7)). The mark belongs to the
 * socket, so incoming data wakes none of the processes that have it open; a process that reads anyway gets the data.
 * The kernel caps the mark at half of tcp_rmem[2], so a client that sends more than that ends the pause.
 */
import { type Activity, classify } from "../drain/classify.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import type { Platform } from "../platform/platform.ts";
import { classifyUnread, HEAD_LIMIT, type UnreadHead } from "./request_head.ts";

export interface Sample {
  readonly atMs: number;
  /** Bytes the server has read, and those it has not. */
  readonly read: number;
  readonly unread: number;
  /** Bytes the server has sent, and how many of them the client has not acknowledged. */
  readonly sent: number;
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

/** What unread bytes start with; null: there are none. */
export function unreadHead(sockets: Sockets, socket: Fd): UnreadHead | null {
  const bytes = sockets.peek(socket, buffer);
  return bytes.length === 0 ? null : classifyUnread(bytes);
}

/**
 * All values belong to one moment: nothing has arrived between the first and the last system call.
 * @returns null when data arrives too fast for that
 */
export function readCounters({ sockets, sockDiag }: Platform, socket: Fd) {
  const before = sockDiag.trafficOf(socket);
  const unread = sockets.unreadBytes(socket);
  const unacknowledged = sockets.unacknowledgedBytes(socket);
  const traffic = sockDiag.trafficOf(socket);
  if (traffic === null || before?.bytesReceived !== traffic.bytesReceived) return null;
  return { traffic, unread, unacknowledged };
}

/** @returns null when data arrives too fast, or the connection is no longer established */
export function takeSample(platform: Platform, socket: Fd, quietMs: number): Sample | null {
  const atMs = platform.clock.now();
  const counters = readCounters(platform, socket);
  if (counters === null) return null;
  const { traffic, unread, unacknowledged } = counters;
  const { bytesReceived, bytesAcked, sinceSentMs, sinceReceivedMs, sinceAckMs } = traffic;
  const serverSentLast = bytesReceived > 0 && bytesAcked > 0 && (sinceSentMs < sinceReceivedMs ||
    (sinceSentMs === sinceReceivedMs && sinceAckMs < sinceReceivedMs));
  const head = unread === 0 ? null : unreadHead(platform.sockets, socket);
  if (unread > 0 && head === null) return null;
  const queues = { receiveQueue: unread, sendQueue: unacknowledged };
  return {
    atMs,
    read: bytesReceived - unread,
    unread,
    sent: bytesAcked + unacknowledged,
    unacknowledged,
    serverSentLast,
    silentMs: Math.min(sinceSentMs, sinceReceivedMs),
    activity: classify({ state: C.TCP_ESTABLISHED, traffic, ...queues }, quietMs),
    head,
  };
}

const NEVER_REACHED = 1 << 30;
const ANY_BYTE = 1;

export function pause({ sockets }: Platform, socket: Fd): void {
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_RCVLOWAT, NEVER_REACHED);
}

/** Wakes the process that waits for data, if any has arrived. */
export function resume({ sockets }: Platform, socket: Fd): void {
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_RCVLOWAT, ANY_BYTE);
}

/**
 * From now on the last segment of what the server sends stays in the kernel, if it is not a full one, for 200 ms at most:
 * TCP_CORK, tcp(7). So a client that waits for its whole answer sends nothing until `letAnswer()`. Like the low-water mark,
 * the option belongs to the socket: it lasts after baton's duplicate is closed, and after baton.
 * @returns false: the server holds its answers back itself, and the option stays as it is
 */
export function holdAnswer({ sockets }: Platform, socket: Fd): boolean {
  if (sockets.option(socket, C.IPPROTO_TCP, C.TCP_CORK) !== 0) return false;
  sockets.setOption(socket, C.IPPROTO_TCP, C.TCP_CORK, 1);
  return true;
}

export function letAnswer({ sockets }: Platform, socket: Fd): void {
  sockets.setOption(socket, C.IPPROTO_TCP, C.TCP_CORK, 0);
}

/**
 * Whether the server may block in read(2). A read that is under way on a paused socket keeps what arrives until far
 * more data has come, even after the mark is low again (tcp_recvmsg in the kernel).
 */
export function isBlocking({ descriptors }: Platform, socket: Fd): boolean {
  return !descriptors.isNonblocking(socket);
}
