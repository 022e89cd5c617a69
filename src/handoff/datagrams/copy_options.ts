/**
 * Gives a UDP socket the options that the caller of bind(2) has set on its own, which it is about to take the place of:
 * without IP_PKTINFO or its like a server cannot answer. ip(7), ipv6(7), udp(7), socket(7)
 */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import {
  IPV4_OPTIONS,
  IPV6_OPTIONS,
  SOCKET_OPTIONS,
  UDP_OPTIONS,
} from "../../platform/libc/udp_options.ts";
import type { Sockets } from "../../platform/network/sockets.ts";

/** Sizes of which the kernel reports twice what was asked for. */
const DOUBLED: readonly number[] = [SOCKET_OPTIONS.SO_RCVBUF, SOCKET_OPTIONS.SO_SNDBUF];

const LEVELS: readonly (readonly [level: number, names: readonly number[]])[] = [
  [C.SOL_SOCKET, Object.values(SOCKET_OPTIONS)],
  [C.IPPROTO_IP, Object.values(IPV4_OPTIONS)],
  [C.IPPROTO_IPV6, Object.values(IPV6_OPTIONS)],
  [C.IPPROTO_UDP, Object.values(UDP_OPTIONS)],
];

/** Copies the options. One that either socket refuses, or does not have, stays as it is. */
export function copyOptions(sockets: Sockets, from: Fd, to: Fd): void {
  for (const [level, names] of LEVELS) {
    for (const name of names) copyOption(sockets, { from, to, level, name });
  }
}

function copyOption(
  sockets: Sockets,
  { from, to, level, name }: { from: Fd; to: Fd; level: number; name: number },
): void {
  try {
    const wanted = sockets.option(from, level, name);
    const current = sockets.option(to, level, name);
    // The receive buffer is not made smaller: what waits in it needs its room.
    const isRoom = level === C.SOL_SOCKET && name === SOCKET_OPTIONS.SO_RCVBUF;
    if (wanted === current || isRoom && wanted < current) return;
    const isDoubled = level === C.SOL_SOCKET && DOUBLED.includes(name);
    sockets.setOption(to, level, name, isDoubled ? wanted / 2 : wanted);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
  }
}
