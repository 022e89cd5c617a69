/**
 * Queues of baton's own in which new connections wait while one generation stops and the next one starts
 * (lifecycle/stop_first.ts): one more member at each address, which no process accepts from. When the generation has
 * exited they are its orphaned listeners.
 */
import { makeRoom } from "../platform/network/udp_socket.ts";
import { boundSocket } from "./bound_socket.ts";
import type { Group } from "./group.ts";
import { isDatagram } from "./group_address.ts";
import type { Listeners } from "./listeners.ts";
import { HELD, type Member } from "./member.ts";

/**
 * From here on new connections to `epoch` wait. Does nothing where they wait already.
 * @param next the generation that is to get them, if it is known
 * @throws {SystemCallError} when a queue cannot be made; nothing has changed then
 */
export function holdConnections(
  listeners: Listeners,
  epoch: number,
  backlog: number,
  next: number | null = null,
): void {
  listeners.findShutDown();
  listeners.heldEpoch = epoch;
  const made: { readonly group: Group; readonly queue: Member }[] = [];
  try {
    for (const group of listeners.groups) {
      // No process accepts from the listener of a deaf one: its queue is what they wait in already.
      const waits = listeners.deafEpoch === epoch &&
        group.usableMembers(epoch).every(({ unheld }) => unheld);
      if (!waits && canHold(group, epoch)) {
        made.push({ group, queue: makeQueue(group, backlog, next) });
      }
    }
  } catch (error) {
    for (const { group, queue } of made) group.discard(queue);
    listeners.heldEpoch = null;
    throw error;
  }
  for (const { group, queue } of made) group.steerTo([queue]);
}

/**
 * As `holdConnections()`, for datagrams, just before the stop signal of `epoch`: until then it answers them.
 * @throws {SystemCallError} when a queue cannot be made: then they wait in the old socket
 */
export function holdDatagrams(listeners: Listeners, epoch: number): void {
  if (listeners.heldEpoch !== epoch) return;
  for (const group of listeners.groups) {
    const isAnswering = group.membersOf(epoch).some(group.isReceiving);
    if (!isDatagram(group) || group.isFrozen || group.isHeld || !isAnswering) continue;
    const queue = makeQueue(group, 0, null);
    makeRoom(listeners.sockets, queue.heldUntilRetired);
    group.steerTo([queue]);
  }
}

/**
 * Whether connections can be held at `group`: not where all generations have one socket, since each process that has it
 * open accepts from it.
 */
function canHold(group: Group, epoch: number): boolean {
  if (group.isFrozen || group.isShared || group.isHeld || isDatagram(group)) return false;
  return group.membersOf(epoch).some((each) => group.isReceiving(each) && !each.ofSession);
}

function makeQueue(group: Group, backlog: number, heldFor: number | null): Member {
  const late = group.members.filter(group.isReceiving).every((member) => member.late);
  return group.takeMember(boundSocket(group, HELD), {
    epoch: HELD,
    owner: 0,
    late,
    backlog,
    heldFor,
  });
}

/** @param backlogOf the length of a listener's queue */
export function vacate(
  listeners: Listeners,
  epoch: number,
  backlogOf: (inode: number) => number,
): void {
  listeners.heldEpoch = null;
  for (const group of listeners.groups) group.vacate(epoch, backlogOf);
}

/** Lets go of the queues: the service ends, or `epoch` continues to serve. */
export function releaseConnections(listeners: Listeners, epoch: number): void {
  listeners.heldEpoch = null;
  for (const group of listeners.groups) group.steerBack(epoch);
}

export function queues({ groups }: Listeners): Member[] {
  return groups.flatMap((group) => group.membersOf(HELD));
}
