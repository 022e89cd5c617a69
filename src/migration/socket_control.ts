/**
 * Pauses and resumes a connection of another process, through a duplicate of its descriptor.
 *
 * A *paused* socket has a low-water mark that is never reached (SO_RCVLOWAT, socket(7)). The mark belongs to the
 * socket, so incoming data wakes none of the processes that have it open; a process that reads anyway gets the data.
 * The kernel caps the mark at half of tcp_rmem[2], so a client that sends more than that ends the pause.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";

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
 * The server may block in read(2). A read that is under way on a paused socket keeps what arrives until far more data
 * has come, even after the mark is low again (tcp_recvmsg in the kernel).
 */
export function isBlocking({ descriptors }: Platform, socket: Fd): boolean {
  return (descriptors.statusFlags(socket) & C.O_NONBLOCK) === 0;
}
