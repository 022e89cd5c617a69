/**
 * Numbers of the socket options that UDP servers set before they bind, Linux x64 and arm64; socket(7), ip(7), ipv6(7),
 * udp(7). `test/platform/constants_test.ts` compares each with what a C compiler says.
 */

export const SOCKET_OPTIONS = {
  SO_BROADCAST: 6,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_PRIORITY: 12,
  SO_TIMESTAMP: 29,
  SO_TIMESTAMPNS: 35,
  SO_MARK: 36,
  SO_RXQ_OVFL: 40,
} as const;

export const IPV4_OPTIONS = {
  IP_TOS: 1,
  IP_TTL: 2,
  IP_PKTINFO: 8,
  IP_MTU_DISCOVER: 10,
  IP_RECVERR: 11,
  IP_RECVTTL: 12,
  IP_RECVTOS: 13,
  IP_FREEBIND: 15,
  IP_RECVORIGDSTADDR: 20,
} as const;

export const IPV6_OPTIONS = {
  IPV6_MTU_DISCOVER: 23,
  IPV6_RECVERR: 25,
  IPV6_RECVPKTINFO: 49,
  IPV6_RECVHOPLIMIT: 51,
  IPV6_DONTFRAG: 62,
  IPV6_RECVTCLASS: 66,
  IPV6_TCLASS: 67,
} as const;

export const UDP_OPTIONS = { UDP_GRO: 104 } as const;

/** What baton sets itself. */
export const OWN_OPTIONS = { SO_RCVBUFFORCE: 33, SO_BINDTOIFINDEX: 62 } as const;
