/** Gives a server a member, with the connections in its queue, in place of the socket that it has bound. */
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { Member } from "../steering/member.ts";
import { type ListenerOwner, refreshSocketHolders, type SocketCall } from "./listener_owner.ts";

/**
 * A member that may have connections in its queue but no process that accepts them: its process is gone, or a
 * baton made it for a server that binds by itself (--listen, --takeover).
 */
export function memberWithQueue(group: Group, owner: ListenerOwner): Member | null {
  if (owner.replacementOf !== null) {
    const [left] = group.membersOf(owner.replacementOf);
    if (left) return left;
  }
  refreshSocketHolders(group, owner);
  const own = group.membersOf(owner.epoch);
  const waiting = own.filter(({ unheld, owner }) => unheld || owner === 0);
  const [first = null] = [...waiting.filter(group.isReceiving), ...waiting];
  if (first !== null) return first;
  // Left by the previous instance: clients have been queuing in it since that stopped.
  const standby = group.receivingEpochs.size === 0 ? group.unassignedSocket : undefined;
  return standby?.origin === "standby" ? standby : null;
}

/** Puts the member in place of the caller's socket, with the caller's own flags. */
export function replaceSocket(platform: Platform, call: SocketCall, member: Member): void {
  const { descriptors, seccomp } = platform;
  const flags = proc.descriptorFlags(call.pid, call.descriptor) ?? 0;
  const nonblocking = descriptors.statusFlags(call.socket) & C.O_NONBLOCK;
  const held = member.heldUntilRetired;
  const others = descriptors.statusFlags(held) & ~C.O_NONBLOCK;
  descriptors.setStatusFlags(held, others | nonblocking);
  seccomp.replaceDescriptor(call.notify, call.id, {
    source: held,
    target: call.descriptor,
    closeOnExec: (flags & C.O_CLOEXEC) !== 0,
  });
}
