/** A worker comes, waits and goes at all addresses of its generation (worker_members.ts). */
import { socketInodesOf } from "../platform/process/proc.ts";
import type { Listeners } from "./listeners.ts";

interface WorkerName {
  readonly epoch: number;
  readonly number: number;
}

/** The worker drains, or is gone: new connections go to the others of its generation, and its queues stay. */
export function setWorkerAside(
  listeners: Listeners,
  { epoch, number }: WorkerName,
  isDead: boolean,
): void {
  for (const group of listeners.groupsOf(epoch)) group.workers.setAside(epoch, number, isDead);
}

/** Whether the worker was set aside at all its addresses. */
export function isAside(listeners: Listeners, { epoch, number }: WorkerName): boolean {
  const members = listeners.groupsOf(epoch).flatMap((group) => group.membersOf(epoch, number));
  return members.length > 0 && members.every(({ aside = false }) => aside);
}

/** The worker gets its part of the new connections from now on. */
export function admitWorker(listeners: Listeners, { epoch, number }: WorkerName): void {
  for (const group of listeners.groupsOf(epoch)) group.workers.admit(epoch, number);
}

/** The worker is gone for good, and its queues are empty. */
export function retireWorker(listeners: Listeners, { epoch, number }: WorkerName): void {
  for (const group of listeners.groupsOf(epoch)) {
    group.workers.retire(epoch, number);
    if (group.members.every(({ dead }) => dead)) listeners.closeGroup(group);
  }
}

/** Whether process `pid` has a member of `epoch` open. */
export function isHeldBy(
  listeners: Listeners,
  pid: number,
  epoch: number,
  worker?: number,
): boolean {
  const members = listeners.groups.flatMap((group) => group.membersOf(epoch, worker));
  const inodes = socketInodesOf(pid, members.map(({ inode }) => inode));
  return members.some((member) => inodes.has(member.inode));
}
