/** Who has the members of a generation open: found out by looking, because nobody tells. */
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { ListenerOwner } from "./listener_owner.ts";

/**
 * Finds the members that no process of the generation has open any more: their queues wait for the
 * next one that listens there.
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
 * Closes what a live server has closed by itself (it looked for a free port): whoever connects there
 * is refused again, as without baton. What a dead worker left behind stays for the next worker.
 */
export function discardClosed(group: Group, owner: ListenerOwner): void {
  refreshSocketHolders(group, owner);
  const pids = owner.processes();
  for (const member of group.membersOf(owner.epoch)) {
    if (member.unheld && pids.includes(member.owner)) group.discard(member);
  }
}
