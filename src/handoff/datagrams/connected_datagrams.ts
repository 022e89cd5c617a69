/**
 * UDP sockets that a server has connected to one peer since it bound them: they are that conversation's. Some servers bind
 * one for each client, at the address of the first (coturn): until it is connected it must get nothing of others.
 */
import { hasPeer } from "../../platform/network/udp_socket.ts";
import { isDatagram } from "../../steering/group_address.ts";
import type { Listeners } from "../../steering/listeners.ts";

/** Lets go of sockets of `epoch` that have been connected. */
export function releaseConnected(listeners: Listeners, epoch: number): void {
  for (const group of listeners.groupsOf(epoch)) {
    const [member, ...more] = group.members;
    if (!isDatagram(group) || group.isFrozen || member === undefined) continue;
    if (more.length > 0) group.findShutDown();
    else if (hasPeer(listeners.sockets, member.heldUntilRetired)) listeners.release(group);
  }
}

/**
 * Sockets that have been there for a while without being connected are further members of workers: they get datagrams
 * from now on.
 */
export function admitLate(listeners: Listeners, epoch: number): void {
  for (const group of listeners.groupsOf(epoch)) if (isDatagram(group)) group.admitLate();
}
