/** Finds out about the process that opens a listener. */
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { ListenAddress } from "../steering/member.ts";
import type { AdoptContext, ListenerOwner } from "./listener_owner.ts";
import { type OpenerRole, roleOf } from "./opener_role.ts";
import { isHeldBy } from "../steering/worker_steering.ts";

type Generation = Pick<ListenerOwner, "epoch" | "leader" | "readyTicks" | "processes">;

export function openerRole(
  platform: Platform,
  listeners: Listeners,
  owner: Generation,
  pid: number,
): OpenerRole {
  const stat = proc.processStat(pid);
  // A process that started in the tick of the gate may have come before or after it: a worker must not be taken for a
  // session.
  const cameAfterGate = stat !== null && owner.readyTicks > 0 && stat.startTime > owner.readyTicks;
  const isLeader = pid === owner.leader;
  // Most listeners are opened before the gate, and nothing else need be known.
  const mayBeSession = cameAfterGate && !isLeader && !hasMember(listeners, owner.epoch, pid);
  const isBelowListener = mayBeSession && isBelow(listeners, owner, stat.parent);
  return roleOf({
    isLeader,
    cameAfterGate: mayBeSession,
    isBelowListener,
    hasConnection: isBelowListener && hasConnection(platform, listeners, pid),
  });
}

/** A session's listener at an address of its own: its binds and ends are as without baton. */
export function isLeftAlone(
  { platform, listeners }: AdoptContext,
  address: ListenAddress,
  pid: number,
  owner: ListenerOwner,
): boolean {
  const isServed = (listeners.find(address)?.members.length ?? 0) > 0;
  return !isServed && openerRole(platform, listeners, owner, pid) === "session";
}

/** Whether the process stands for its generation already. */
function hasMember(listeners: Listeners, epoch: number, pid: number): boolean {
  return listeners.groupsOf(epoch).some((group) =>
    group.membersOf(epoch).some(({ owner, passing }) => owner === pid && !passing)
  );
}

function isBelow(listeners: Listeners, owner: Generation, parent: number): boolean {
  const processes = owner.processes();
  for (let above = parent; processes.includes(above);) {
    if (isHeldBy(listeners, above, owner.epoch)) return true;
    above = proc.processStat(above)?.parent ?? 0;
  }
  return false;
}

function hasConnection({ sockDiag }: Platform, { ports }: Listeners, pid: number): boolean {
  const open = proc.socketInodesOf(pid);
  return ports.some((port) =>
    sockDiag.tcpByLocalPort(port, [C.TCP_ESTABLISHED, C.TCP_CLOSE_WAIT])
      .some(({ inode }) => open.has(inode))
  );
}
