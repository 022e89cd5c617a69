/**
 * How a socket joins the kernel's array of a group, and leaves it: a TCP socket by listen(2) and shutdown(2), a UDP
 * socket by bind(2), and its last close or connect(2) (udp_lib_get_port, udp_lib_unhash, udp_lib_rehash). So a UDP socket
 * may get datagrams from its bind on, before its server waits for them.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Readiness, Watch } from "../platform/reactor.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import { deafen, hasPeer } from "../platform/network/udp_socket.ts";
import type { Draw } from "./bpf_program.ts";
import { isUdp } from "./group_address.ts";
import type { GroupAddress, GroupContext, ListenAddress, Member } from "./member.ts";
import { drawOf } from "./spread/spread.ts";

export interface Membership {
  /** How it is drawn which of several members gets a packet. */
  readonly draw: Draw;
  /** Whether members are watched: a hang-up shows a shutdown(2), and data to read a client that waits. */
  readonly isWatched: boolean;
  /** @throws {SystemCallError} of listen(2) or bind(2); it has not joined then */
  join(socket: Fd, backlog: number): void;
  hasJoined(socket: Fd): boolean;
  /** Whether its server has connected the UDP socket: then it is for one client. */
  hasPeer(socket: Fd): boolean;
  /** Takes the socket out of the array, even if some process has it open. */
  leave(socket: Fd): void;
}

export function membershipOf(
  { sockets, spread }: Pick<GroupContext, "sockets" | "spread">,
  address: ListenAddress,
): Membership {
  return isUdp(address) ? datagrams(sockets, address) : connections(sockets, drawOf(spread));
}

function connections(sockets: Sockets, draw: Draw): Membership {
  return {
    draw,
    isWatched: true,
    join: (socket, backlog) => sockets.listen(socket, backlog),
    hasJoined: (socket) => sockets.option(socket, C.SOL_SOCKET, C.SO_ACCEPTCONN) !== 0,
    hasPeer: () => false,
    leave: (socket) => sockets.stopListening(socket),
  };
}

function datagrams(sockets: Sockets, address: GroupAddress): Membership {
  return {
    draw: "flow",
    isWatched: false,
    join: (socket) => sockets.bindInet(socket, address),
    hasJoined: (socket) => sockets.localAddress(socket)?.port === address.port,
    hasPeer: (socket) => hasPeer(sockets, socket),
    leave: (socket) => {
      try {
        deafen(sockets, socket, address.family);
      } catch (error) {
        // Where it cannot be shut down, its last close takes it out.
        if (!(error instanceof SystemCallError)) throw error;
      }
    },
  };
}

interface WatchedMembers {
  readonly all: readonly Member[];
  /** @returns the members that were lost */
  findShutDown(): Member[];
}

/**
 * Watches a member: data to read is a connection in its queue, and a hang-up a shutdown(2), or nothing while it does not
 * listen yet.
 * @param queue is asked, and hears of it, too
 */
export function watchListener(
  context: GroupContext,
  members: WatchedMembers,
  socket: Fd,
  queue: { onWaiting(member: Member): void; interestOf(member: Member): object } | null = null,
): Watch | null {
  const onEvent = ({ readable, hangup }: Readiness) => {
    const member = members.all.find(({ heldUntilRetired }) => heldUntilRetired === socket);
    if (member === undefined) return;
    if (hangup) {
      const isLost = members.findShutDown().includes(member);
      if (!isLost) member.shutDownWatch?.arm(queue?.interestOf(member) ?? {});
    } else if (readable) {
      member.shutDownWatch?.arm({});
      context.onWaiting?.(member);
      queue?.onWaiting(member);
    }
  };
  return context.reactor?.watch(socket, onEvent, {}) ?? null;
}

/** Calls listen(2) on what becomes a member. @throws {SystemCallError} `socket` is closed then */
export function beginToListen(
  { beforeChange, sockets }: GroupContext,
  socket: Fd,
  backlog: number,
): void {
  try {
    beforeChange();
    sockets.listen(socket, backlog);
  } catch (error) {
    socket.close();
    throw error;
  }
}
