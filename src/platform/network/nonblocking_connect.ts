/** Connects as a TCP client without blocking. connect(2) */
import { encodeAddress, formatAddress, type InetAddress } from "./address.ts";
import { SystemCallError } from "../error.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Sockets } from "./sockets.ts";

/**
 * Starts to connect a nonblocking socket: it becomes writable when that has succeeded or failed.
 * @throws {SystemCallError} when it has failed already
 */
export function startConnecting({ libc }: Sockets, fd: Fd, address: InetAddress): void {
  const bytes = encodeAddress(address);
  const result = libc.retry(() => libc.c.connect(fd.number, bytes, bytes.length));
  if (result < 0 && libc.errno === C.EINPROGRESS) return;
  libc.check(result, "connect", formatAddress(address));
}

/** SO_ERROR. @returns null when it is connected */
export function connectingFailure(
  sockets: Sockets,
  fd: Fd,
  address: InetAddress,
): SystemCallError | null {
  const errno = sockets.option(fd, C.SOL_SOCKET, C.SO_ERROR);
  return errno === 0 ? null : new SystemCallError("connect", errno, formatAddress(address));
}
