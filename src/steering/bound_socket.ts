/** Makes sockets that can join a group: of its address, user and network namespace. */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import { giveToUserOf } from "../platform/network/socket_user.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import { udpSocket } from "../platform/network/udp_socket.ts";
import type { Group } from "./group.ts";
import { isDatagram, isFronted } from "./group_address.ts";
import { type GroupAddress, NO_GENERATION } from "./member.ts";

/**
 * @param epoch of the generation that is to have it, which a private address shows
 * @throws {SystemCallError} when it cannot be made or bound; nothing is left open
 */
export function boundSocket(group: Group, epoch: number = NO_GENERATION): Fd {
  const { address, context: { privateAddresses } } = group;
  if (isFronted(address) && privateAddresses) return privateAddresses.boundSocket(address, epoch);
  return address.family === "unix" ? unixSocket(group) : inetSocket(group, address);
}

/** A Unix socket at a hidden name, with the owner and mode of the node that clients find. */
function unixSocket({ path, context: { sockets } }: Group): Fd {
  const socket = path?.address.type === "packets" ? sockets.packets() : sockets.stream("unix");
  try {
    path?.bindLikeOthers(socket);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function inetSocket(group: Group, address: GroupAddress): Fd {
  const { members, context: { sockets } } = group;
  const socket = newSocket(group, address);
  try {
    const [example] = members;
    if (example !== undefined) giveToUserOf(socket, example.heldUntilRetired);
    // The interface of the address may be gone by now; the group still listens there.
    sockets.setOption(socket, C.IPPROTO_IP, C.IP_FREEBIND, 1);
    if (isDatagram(group)) setJoinable(sockets, socket, address);
    else bindJoinable(sockets, socket, address);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function newSocket({ network, text, context: { sockets } }: Group, address: GroupAddress): Fd {
  if (address.protocol !== "udp") {
    return network?.stream(address.family) ?? sockets.stream(address.family);
  }
  if (network === null) return udpSocket(sockets, address.family);
  // A UDP socket cannot be made in another network namespace, as a TCP socket can (remote_netns.ts).
  throw new SystemCallError("make", C.EADDRNOTAVAIL, `${text} in another network namespace`);
}

/** bind(2) with the options that all sockets of one group have in common. */
export function bindJoinable(sockets: Sockets, socket: Fd, address: GroupAddress): void {
  setJoinable(sockets, socket, address);
  sockets.bindInet(socket, address);
}

function setJoinable(sockets: Sockets, socket: Fd, address: GroupAddress): void {
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
  if (address.family === "inet6") {
    sockets.setOption(socket, C.IPPROTO_IPV6, C.IPV6_V6ONLY, address.v6only ? 1 : 0);
  }
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
}
