/** Finds sockets of other programs that listen at an address of the service, and names their owners in messages. */
import type { InetAddress } from "../platform/network/address.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import type { Group } from "../steering/group.ts";
import { overlaps } from "../steering/group_address.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { GroupAddress } from "../steering/member.ts";

/**
 * @returns a socket of another program that listens at exactly this address. If it has joined a group of ours, it
 * occupies a place in the kernel's array, and members that join later are not where baton's program looks for them.
 */
export function unmanagedListenerAt(
  platform: Platform,
  listeners: Listeners,
  address: InetAddress,
): TcpSocket | undefined {
  return platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_LISTEN])
    .filter(({ local }) => local.family === address.family && local.host === address.host)
    .find(({ inode }) => listeners.findMember(inode) === null);
}

/** @returns sockets beside which no other could listen at this address without SO_REUSEPORT */
export function listenersOverlapping(platform: Platform, address: GroupAddress): TcpSocket[] {
  return platform.sockDiag.tcpByLocalPort(address.port, [C.TCP_LISTEN]).filter((socket) => {
    const { local, boundInterface, v6only = false } = socket;
    // The table has no scopes.
    return overlaps({ ...local, scope: address.scope, boundInterface, v6only }, address);
  });
}

/** @returns "nginx (pid 12)" or "a process of user 33" when we may not look into it */
export function holderOf(socket: TcpSocket): string {
  const pid = proc.allProcesses().find((pid) => proc.socketInodesOf(pid).has(socket.inode));
  return pid === undefined
    ? `a process of user ${socket.uid}`
    : `${proc.processName(pid)} (pid ${pid})`;
}

/** Why a new listener at `wanted` is refused beside `other`, for people. */
export function overlapText(wanted: string, other: Group): string {
  return `${wanted} overlaps with ${other.text}, where another generation gets connections: ` +
    "to change the address, stop the service and run it again";
}
