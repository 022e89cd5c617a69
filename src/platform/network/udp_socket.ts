/** UDP sockets as members of a reuseport group. udp(7) */
import { orNull, SystemCallError } from "../error.ts";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { OWN_OPTIONS, SOCKET_OPTIONS } from "../libc/udp_options.ts";
import type { InetAddress } from "./address.ts";
import { pollNow } from "./poll_now.ts";
import type { Sockets } from "./sockets.ts";

/** Size of a queue that no process reads for a while: tens of thousands of small datagrams. */
const ROOM_BYTES = 16 * 1024 * 1024;
/** Port of the discard protocol, which never answers: RFC 863. */
const DISCARD_PORT = 9;
/** Index of the loopback interface, LOOPBACK_IFINDEX of the kernel: the same in every network namespace. */
const LOOPBACK_INDEX = 1;

/** Makes a socket without an address yet. @throws {SystemCallError} */
export function udpSocket({ libc }: Sockets, family: InetAddress["family"]): Fd {
  const domain = { inet: C.AF_INET, inet6: C.AF_INET6 }[family];
  const number = libc.c.socket(domain, C.SOCK_DGRAM | C.SOCK_CLOEXEC, 0);
  return Fd.of(libc, number, "socket", `UDP, ${family}`);
}

/** Makes room for more unread datagrams: beyond net.core.rmem_max where CAP_NET_ADMIN is there. */
export function makeRoom(sockets: Sockets, socket: Fd): void {
  for (const option of [SOCKET_OPTIONS.SO_RCVBUF, OWN_OPTIONS.SO_RCVBUFFORCE]) {
    try {
      sockets.setOption(socket, C.SOL_SOCKET, option, ROOM_BYTES);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
  }
}

/**
 * Takes a bound socket out of its group, and lets no datagram reach it any more, although some process may have it open:
 * by a peer that sends nothing, and by a device, whose setting makes the kernel hash it again (udp_lib_rehash).
 * @throws {SystemCallError} it is still in the group
 */
export function deafen(sockets: Sockets, socket: Fd, family: InetAddress["family"]): void {
  const host = family === "inet" ? "127.0.0.1" : "::1";
  sockets.connectInet(socket, { family, host, port: DISCARD_PORT, scope: 0 });
  sockets.setOption(socket, C.SOL_SOCKET, OWN_OPTIONS.SO_BINDTOIFINDEX, LOOPBACK_INDEX);
}

/** Whether some process has connected the socket. */
export function hasPeer(sockets: Sockets, socket: Fd): boolean {
  // With ENOTCONN any peer reaches it.
  return orNull(() => sockets.peerAddress(socket)) !== null;
}

/**
 * Whether some process has called shutdown(2) on the socket, which cannot be undone: a server that waits on it would
 * never sleep again. The kernel answers ENOTCONN and does it all the same (inet_shutdown).
 */
export function isShutDown(sockets: Sockets, socket: Fd): boolean {
  return (pollNow(sockets, socket, C.POLLRDHUP) & C.POLLRDHUP) !== 0;
}
