/**
 * A small number in a TCP socket, in options that mean nothing for TCP: two about multicast, one about a later bind(2), one
 * about errors that are not asked for; ip(7). An accepted connection has those of its listener at the end of its handshake, in
 * the queue already (sk_clone in the kernel), and sock_diag shows them to every user (struct inet_diag_sockopt, Linux 5.10).
 */
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Sockets } from "./sockets.ts";

/** Tag of a socket that is not tagged, or whose tag the kernel does not show. */
export const NO_TAG = 0;
export const HIGHEST_TAG = 14;

interface TagBit {
  readonly option: number;
  /** Value of the option in a new IPv4 socket. */
  readonly initial: 0 | 1;
  /** Place of the bit in struct inet_diag_sockopt. */
  readonly place: number;
}

/**
 * The options that hold a bit each, the lowest bit first. IP_MULTICAST_ALL is on in a new IPv4 socket and off in a new
 * IPv6 one, so 0 and 1 both mean that a socket is not tagged; from 2 on it is the tag and one more.
 */
const BITS: readonly TagBit[] = [
  { option: C.IP_MULTICAST_ALL, initial: 1, place: 6 },
  { option: C.IP_MULTICAST_LOOP, initial: 1, place: 4 },
  { option: C.IP_BIND_ADDRESS_NO_PORT, initial: 0, place: 8 },
  { option: C.IP_RECVERR_RFC4884, initial: 0, place: 9 },
];

export class SocketTags {
  constructor(readonly sockets: Sockets) {}

  /** @throws {SystemCallError} ENOPROTOOPT before Linux 5.9 */
  set(socket: Fd, tag: number): void {
    const number = tag === NO_TAG ? 0 : tag + 1;
    // The newest option first (Linux 5.9): where it fails, nothing has been changed yet.
    for (const [index, { option, initial }] of [...BITS.entries()].toReversed()) {
      this.sockets.setOption(socket, C.IPPROTO_IP, option, initial ^ (number >> index & 1));
    }
  }

  /** @throws {SystemCallError} ENOPROTOOPT before Linux 5.9 */
  of(socket: Fd): number {
    return tagFrom(({ option }) => this.sockets.option(socket, C.IPPROTO_IP, option));
  }
}

/** @param bits struct inet_diag_sockopt, two bytes; little endian, so the first field is the lowest bit */
export function decodeTag(bits: number): number {
  return tagFrom(({ place }) => bits >> place & 1);
}

function tagFrom(valueOf: (bit: TagBit) => number): number {
  const number = BITS.reduce((sum, bit, index) => sum | (valueOf(bit) ^ bit.initial) << index, 0);
  return number <= 1 ? NO_TAG : number - 1;
}
