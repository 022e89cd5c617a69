/**
 * A trapped listen(2): the caller's socket becomes a member, or gets a member in its place. The listen is carried out
 * here, on a duplicate, so that the order of the kernel's member array is known and the caller gets its error.
 */
import { SystemCallError } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";
import * as proc from "../platform/process/proc.ts";
import { intArgument } from "../platform/process/seccomp.ts";
import { boundSocket } from "../steering/bound_socket.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { GroupAddress, Member } from "../steering/member.ts";
import { groupAddress } from "./caller_socket.ts";
import {
  type AdoptContext,
  type CallReply,
  isAwaited,
  type ListenerOwner,
  ownedBy,
  refreshSocketHolders,
  type SocketCall,
} from "./listener_owner.ts";
import { isLeftAlone, openerRole } from "./opener.ts";
import { rightToBind } from "./right_to_bind.ts";
import { holderOf, unmanagedListenerAt } from "./unmanaged_listeners.ts";

export function adoptListen(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply {
  const { listeners } = context;
  const inode = proc.ownSocketInode(call.socket.number);
  // The candidate has failed with that, and was killed: the answer is a formality.
  if (owner.refusesPassed(inode)) return { errno: C.EADDRINUSE };
  if (listensAgain(listeners, inode, call, owner)) return "continue";
  try {
    const unseen = context.unseenBinds.take(call.socket);
    const isEphemeral = context.ephemeral.delete(inode) || unseen?.isEphemeral;
    const own = listeners.privateAddresses?.take(inode) ?? null;
    const address = own ?? (isEphemeral ? null : sharedAddress(context, call));
    if (address === null) return "continue";
    if (unseen !== null) {
      const right = rightToBind(context.platform, listeners, address, owner);
      if (right === "none" || right === "own" && !unseen.isShared) return { errno: C.EADDRINUSE };
    }
    if (isLeftAlone(context, address, call.pid, owner)) return "continue";
    const group = listeners.obtain(address);
    if (group.isFrozen && memberWithQueue(group, owner) === null) {
      return context.replyWhenFrozen(group);
    }
    discardClosedElsewhere(listeners, group, owner);
    const reply = join(context, group, call, owner, own !== null);
    if (reply === "done") owner.onListening(group, call);
    return reply;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    owner.onHint(error.message);
    return { errno: error.errno };
  }
}

/**
 * A listen(2) on a socket that is a member already, inherited from a parent process or from baton: it gets a new
 * backlog, and nothing else changes.
 * @returns false where it is no member
 */
export function listensAgain(
  listeners: Listeners,
  inode: number,
  call: SocketCall,
  owner: ListenerOwner,
): boolean {
  listeners.findShutDown();
  const known = listeners.findMember(inode, owner.epoch);
  if (known === null) return false;
  known.member.owner ||= call.pid;
  owner.onListening(known.group, call);
  return true;
}

/** The worker listens at `group` from now on: members elsewhere that it has closed itself are closed here, too. */
export function discardClosedElsewhere(
  listeners: Listeners,
  group: Group,
  owner: ListenerOwner,
): void {
  const others = listeners.groupsOf(owner.epoch).filter((other) => other !== group);
  refreshSocketHolders(others, owner);
  for (const other of others) discardClosed(listeners, other, owner);
}

/**
 * Closes members that a live server has closed itself (it looked for a free port): clients are refused there
 * again, as without baton. A dead worker's members stay for the next worker, and those in which clients wait for a
 * while (closed_listeners.ts): a server that tries its port before it listens there comes back for them.
 */
function discardClosed(listeners: Listeners, group: Group, owner: ListenerOwner): void {
  for (const member of group.membersOf(owner.epoch, owner.worker)) {
    if (!member.unheld || isAwaited(group, member, owner)) continue;
    if (owner.processes().includes(member.owner)) listeners.discard(group, member);
  }
}

/** Where the socket is about to listen, if it was bound to share that address; else null. */
function sharedAddress(
  { platform, listeners }: AdoptContext,
  { socket }: SocketCall,
): GroupAddress | null {
  const { sockets } = platform;
  const local = sockets.localAddress(socket);
  if (local === null || local.port === 0) return null;
  if (sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) === 0) return null;
  if (sockets.option(socket, C.SOL_SOCKET, C.SO_ACCEPTCONN) !== 0) return null;
  const address = groupAddress(sockets, socket, local);
  // Behind a front, a socket that was bound where baton could not read the address gets a private one.
  return listeners.privateAddresses?.behindFront(address) ?? address;
}

function join(
  context: AdoptContext,
  group: Group,
  call: SocketCall,
  owner: ListenerOwner,
  isPrivate: boolean,
): CallReply {
  const { platform, listeners } = context;
  const backlog = intArgument(call, 1);
  const late = isLate(group, owner);
  let waiting = waitingMember(listeners, group, owner);
  // The server cannot have bound one itself in another network namespace.
  const isElsewhere = group.network !== null || group.front !== null && !isPrivate;
  if (waiting === null && isElsewhere) {
    waiting = group.takeMember(boundSocket(group, owner.epoch), {
      ...ownedBy(owner, 0),
      backlog,
      late,
    });
  }
  if (waiting !== null) {
    replaceSocket(context, call, waiting);
    platform.sockets.listen(waiting.heldUntilRetired, backlog);
    group.reassign(waiting, ownedBy(owner, call.pid));
    return "done";
  }
  const steered = group.front === null ? group.tcp : null;
  const unmanaged = steered && unmanagedListenerAt(platform, listeners, steered);
  if (unmanaged) {
    owner.onConflict(
      `another program has joined ${group.text} with SO_REUSEPORT, ${holderOf(unmanaged)}: ` +
        `baton cannot tell the kernel's members apart; stop it, or use another port`,
    );
    return { errno: C.EADDRINUSE };
  }
  const held = platform.descriptors.duplicate(call.socket);
  const traits = traitsOf(context, group, call.pid, owner);
  group.takeMember(held, { ...ownedBy(owner, call.pid), backlog, ...traits });
  return "done";
}

/** Whether a listener is not part of the start: it is opened after the gate, and is not that of one more worker. */
export function isLate(group: Group, { readyTicks, epoch }: ListenerOwner): boolean {
  return readyTicks > 0 && !group.membersOf(epoch).some((member) => !member.late);
}

/** What is known of a new member by the process that opens it. */
export function traitsOf(
  { platform, listeners }: AdoptContext,
  group: Group,
  pid: number,
  owner: ListenerOwner,
): Required<Pick<Member, "late" | "passing" | "ofSession">> {
  const isKnown = group.membersOf(owner.epoch).length > 0;
  const passing = !isKnown && openerRole(platform, listeners, owner, pid) !== "standing";
  const ofSession = passing && owner.settledTicks > 0 &&
    (proc.processStat(pid)?.startTime ?? 0) >= owner.settledTicks;
  return { late: isLate(group, owner), passing, ofSession };
}

/**
 * A member that may have connections in its queue but no process that accepts them: its process is gone, or a
 * baton made it for a server that binds by itself (--listen, --takeover).
 */
function memberWithQueue(
  group: Group,
  owner: ListenerOwner,
  queueComesLater = owner.queueComesLater,
): Member | null {
  if (owner.replacementOf !== null && !queueComesLater) {
    const [left] = group.waitingFor(owner.replacementOf);
    if (left) return left;
  }
  refreshSocketHolders([group], owner);
  const own = group.membersOf(owner.epoch, owner.worker);
  // The predecessor makes members for the generation, and does not know its workers.
  const made = group.isFrozen
    ? group.membersOf(owner.epoch).filter(({ owner, unheld }) => owner === 0 && !unheld)
    : [];
  const waiting = [...own.filter(({ unheld, owner }) => unheld || owner === 0), ...made];
  const [first = null] = [...waiting.filter(group.isReceiving), ...waiting];
  if (first !== null) return first;
  // Left by the previous instance: clients have been queuing in it since that stopped.
  const standby = group.receivingEpochs.size === 0 ? group.unassignedSocket : undefined;
  return standby?.origin === "standby" ? standby : null;
}

/** As `memberWithQueue()`; else the queue of the generation that serves and has closed its listeners. */
export function waitingMember(
  listeners: Listeners,
  group: Group,
  owner: ListenerOwner,
  queueComesLater = owner.queueComesLater,
): Member | null {
  return memberWithQueue(group, owner, queueComesLater) ??
    listeners.lend(group, owner.epoch) ?? null;
}

/** Puts the member in place of the caller's socket, with the caller's own flags. */
export function replaceSocket(
  { platform }: AdoptContext,
  call: SocketCall,
  member: Member,
): void {
  const { descriptors, seccomp } = platform;
  const flags = proc.descriptorFlags(call.pid, call.descriptor) ?? 0;
  const held = member.heldUntilRetired;
  descriptors.setNonblocking(held, descriptors.isNonblocking(call.socket));
  seccomp.replaceDescriptor(call.notify, call.id, {
    source: held,
    target: call.descriptor,
    closeOnExec: (flags & C.O_CLOEXEC) !== 0,
  });
}
