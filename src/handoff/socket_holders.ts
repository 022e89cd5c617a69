/** Which members a generation still has open. The kernel does not report a close(2), so /proc is searched. */
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { ListenerOwner } from "./listener_owner.ts";

/**
 * Marks the members that no process of the generation has open any more: their queues wait for the
 * next process that listens there.
 */
export function refreshSocketHolders(group: Group, owner: ListenerOwner): void {
  const pids = owner.processes();
  if (pids.length === 0 || !pids.every(proc.canSeeDescriptors)) return;
  const held = new Set(pids.flatMap((pid) => [...proc.socketInodesOf(pid)]));
  for (const member of group.membersOf(owner.epoch)) {
    if (!member.unheld && member.owner !== 0 && !held.has(member.inode)) group.markUnheld(member);
  }
}

/**
 * Closes members that a live server has closed itself (it looked for a free port): clients are refused there
 * again, as without baton. A dead worker's members stay for the next worker.
 */
export function discardClosed(group: Group, owner: ListenerOwner): void {
  refreshSocketHolders(group, owner);
  const pids = owner.processes();
  for (const member of group.membersOf(owner.epoch)) {
    if (member.unheld && pids.includes(member.owner)) group.discard(member);
  }
}
