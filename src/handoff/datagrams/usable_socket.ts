/** Finds the UDP socket that waits for a process to read it: of a generation that has crashed, or was stopped first. */
import { isShutDown } from "../../platform/network/udp_socket.ts";
import type { GroupAddress, Member } from "../../steering/member.ts";
import { waitingMember } from "../adopt_listen.ts";
import type { AdoptContext, ListenerOwner } from "../listener_owner.ts";

/** @returns null: the server's own is to be bound */
export function usableSocket(
  { platform: { sockets }, listeners }: AdoptContext,
  wanted: GroupAddress,
  owner: ListenerOwner,
): Member | null {
  for (;;) {
    const group = listeners.obtain(wanted);
    const waiting = waitingMember(listeners, group, owner, false);
    if (waiting === null) return null;
    if (group.isFrozen || !isShutDown(sockets, waiting.heldUntilRetired)) return waiting;
    listeners.discard(group, waiting);
  }
}
