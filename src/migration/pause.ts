/**
 * A connection of another process, held by a duplicate: looked at, paused and let go.
 *
 * *Paused* is a low-water mark that is never reached (SO_RCVLOWAT, socket(7)): the mark belongs to the socket, so
 * no process that has it open is woken by what comes; whoever reads all the same gets it. The kernel takes no more
 * than half of tcp_rmem[2]: who sends more before a first answer is not paused any longer.
 */
import { classify } from "../drain/classify.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { Look } from "./connection.ts";
import { HEAD_LIMIT, recognise } from "./request.ts";

const NEVER = 1 << 30;
const AT_ONCE = 1;

const buffer = new Uint8Array(HEAD_LIMIT);

export function pause({ sockets }: Platform, socket: Fd): void {
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_RCVLOWAT, NEVER);
}

/** Whoever waits for it is woken, if anything has come. */
export function open({ sockets }: Platform, socket: Fd): void {
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_RCVLOWAT, AT_ONCE);
}

/**
 * Its server waits in read(2): what comes while such a call is under way on a paused connection would be kept by
 * the call until much more has come, even when the mark is low again (tcp_recvmsg in the kernel).
 */
export function isBlocking({ descriptors }: Platform, socket: Fd): boolean {
  return (descriptors.statusFlags(socket) & C.O_NONBLOCK) === 0;
}

/**
 * What is seen of it at one moment: nothing has come between the first and the last system call.
 * @returns null when so much comes that there was no such moment, or it is not established any more
 */
export function look(
  { sockets, sockDiag }: Platform,
  socket: Fd,
  { atMs, quietMs }: { atMs: number; quietMs: number },
): Look | null {
  const before = sockDiag.trafficOf(socket);
  const unread = sockets.unreadBytes(socket);
  const underWay = sockets.unacknowledgedBytes(socket);
  const traffic = sockDiag.trafficOf(socket);
  if (traffic === null || before?.bytesReceived !== traffic.bytesReceived) return null;
  const { bytesReceived: received, bytesAcked: acknowledged } = traffic;
  const { sinceSentMs, sinceReceivedMs, sinceAckMs } = traffic;
  const answeredLast = received > 0 && acknowledged > 0 && (sinceSentMs < sinceReceivedMs ||
    (sinceSentMs === sinceReceivedMs && sinceAckMs < sinceReceivedMs));
  const bytes = unread === 0 ? buffer.subarray(0, 0) : sockets.peek(socket, buffer);
  if (unread > 0 && bytes.length === 0) return null;
  const begins = unread === 0 ? null : recognise(bytes);
  const row = { state: C.TCP_ESTABLISHED, receiveQueue: unread, sendQueue: underWay, traffic };
  const activity = classify(row, quietMs);
  const quietForMs = Math.min(sinceSentMs, sinceReceivedMs);
  const counts = { received, unread, acknowledged, underWay };
  return { atMs, ...counts, answeredLast, quietForMs, activity, begins };
}
