/** A TCP connection as a client makes it, without blocking. connect(2) */
import { encodeAddress, formatAddress, type InetAddress } from "./address.ts";
import { SystemCallError } from "../error.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Sockets } from "./sockets.ts";

/**
 * Begins to connect a socket that does not block: it is writable when that has ended, well or not.
 * @throws {SystemCallError} when it has failed already
 */
export function startConnecting({ libc }: Sockets, fd: Fd, address: InetAddress): void {
  const bytes = encodeAddress(address);
  const result = libc.retry(() => libc.c.connect(fd.number, bytes, bytes.length));
  if (result < 0 && libc.errno === C.EINPROGRESS) return;
  libc.check(result, "connect", formatAddress(address));
}

/** SO_ERROR: how that has ended. @returns null when it is connected */
export function connectingFailure(
  sockets: Sockets,
  fd: Fd,
  address: InetAddress,
): SystemCallError | null {
  const errno = sockets.option(fd, C.SOL_SOCKET, C.SO_ERROR);
  return errno === 0 ? null : new SystemCallError("connect", errno, formatAddress(address));
}
