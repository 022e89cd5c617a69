/** A blocking TCP client of system calls alone: no thread of a runtime and no event loop in between. */
import {
  encodeAddress,
  formatAddress,
  type InetAddress,
} from "../../src/platform/network/address.ts";
import type { Fd } from "../../src/platform/fd.ts";
import type { Platform } from "../../src/platform/platform.ts";

/** connect(2); on loopback it returns once the kernel has put the connection in a listener's queue. */
export function connectInet(platform: Platform, address: InetAddress): Fd {
  const { libc, sockets } = platform;
  const socket = sockets.stream(address.family);
  const bytes = encodeAddress(address);
  const result = libc.retry(() => libc.c.connect(socket.number, bytes, bytes.length));
  try {
    libc.check(result, "connect", formatAddress(address));
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

/** A listener at a port that the kernel picks, and its address. */
export function listenAt(
  platform: Platform,
  host: string,
  options: { backlog?: number; port?: number; reuseport?: boolean } = {},
): { listener: Fd; address: InetAddress } {
  const { sockets } = platform;
  const family = host.includes(":") ? "inet6" : "inet";
  const listener = sockets.stream(family, { nonblocking: true });
  try {
    const SOL_SOCKET = 1;
    const SO_REUSEPORT = 15;
    if (options.reuseport) sockets.setOption(listener, SOL_SOCKET, SO_REUSEPORT, 1);
    sockets.bindInet(listener, { family, host, port: options.port ?? 0, scope: 0 });
    sockets.listen(listener, options.backlog ?? 16);
    return { listener, address: sockets.localAddress(listener)! };
  } catch (error) {
    listener.close();
    throw error;
  }
}
