/** Who has the members of a generation open: found out by looking, because nobody tells. */
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { ListenerOwner } from "./listener_owner.ts";

/**
 * Finds the members that no process of the generation has open any more: their queues wait for the
 * next one that listens there.
 */
export function refreshSocketHolders(group: Group, tenant: ListenerOwner): void {
  const pids = tenant.processes();
  if (pids.length === 0 || !pids.every(proc.canSeeDescriptors)) return;
  const held = new Set(pids.flatMap((pid) => [...proc.socketInodesOf(pid)]));
  for (const member of group.membersOf(tenant.epoch)) {
    if (!member.unheld && member.owner !== 0 && !held.has(member.inode)) group.markUnheld(member);
  }
}

/**
 * Closes what a live server has closed by itself (it looked for a free port): whoever connects there
 * is refused again, as without baton. What a dead worker left behind stays for the next worker.
 */
export function discardClosed(group: Group, tenant: ListenerOwner): void {
  refreshSocketHolders(group, tenant);
  const pids = tenant.processes();
  for (const member of group.membersOf(tenant.epoch)) {
    if (member.unheld && pids.includes(member.owner)) group.discard(member);
  }
}
