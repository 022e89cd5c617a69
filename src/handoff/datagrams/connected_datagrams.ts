/** UDP sockets that a server has connected to one peer since it bound them: they are that conversation's. */
import { orNull } from "../../platform/error.ts";
import { isDatagram } from "../../steering/group_address.ts";
import type { Listeners } from "../../steering/listeners.ts";

/** Lets go of them, where the kernel's array has no other member that would move. */
export function releaseConnected(listeners: Listeners, epoch: number): void {
  for (const group of listeners.groupsOf(epoch)) {
    const [member, ...more] = group.members;
    if (!isDatagram(group) || group.isFrozen || member === undefined || more.length > 0) continue;
    const { sockets } = listeners;
    // ENOTCONN: any peer reaches it.
    const peer = orNull(() => sockets.peerAddress(member.heldUntilRetired));
    if (peer !== null) listeners.release(group);
  }
}
