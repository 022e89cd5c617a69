/**
 * A trapped listen(2): the caller's socket becomes a member, or gets a member in its place. The listen is carried out
 * here, on a duplicate, so that the order of the kernel's member array is known and the caller gets its error.
 */
import { SystemCallError } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { GroupAddress } from "../steering/member.ts";
import { groupAddress } from "./caller_socket.ts";
import type { CallReply, ListenerOwner, SocketCall } from "./listener_owner.ts";
import { madeInOtherNetns, memberWithQueue, replaceSocket } from "./queue_transfer.ts";
import { discardClosed } from "./socket_holders.ts";
import { holderOf, unmanagedListenerAt } from "./unmanaged_listeners.ts";

interface ListenOptions {
  /** Inodes of sockets bound to port 0: theirs alone, never handed over. */
  readonly ephemeral: Set<number>;
  /** What becomes of a call that needs a member of a group that only another baton can add to. */
  readonly replyWhenFrozen: (group: Group) => CallReply;
}

export function adoptListen(
  platform: Platform,
  listeners: Listeners,
  call: SocketCall,
  owner: ListenerOwner,
  options: ListenOptions,
): CallReply {
  const inode = proc.ownSocketInode(call.socket.number);
  listeners.findShutDown();
  const known = listeners.findMember(inode, owner.epoch);
  if (known !== null) {
    // Again on a socket inherited from its parent or from us: a new backlog, no more.
    known.member.owner ||= call.pid;
    owner.onListening(known.group, call);
    return "continue";
  }
  try {
    const address = options.ephemeral.delete(inode) ? null : sharedAddress(platform, call);
    if (address === null) return "continue";
    const group = listeners.obtain(address);
    if (group.isFrozen && memberWithQueue(group, owner) === null) {
      return options.replyWhenFrozen(group);
    }
    for (const other of listeners.groupsOf(owner.epoch)) {
      if (other !== group) discardClosed(other, owner);
    }
    const reply = join(platform, listeners, group, call, owner);
    if (reply === "done") owner.onListening(group, call);
    return reply;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    owner.onHint(error.message);
    return { errno: error.errno };
  }
}

/** Where the socket is about to listen, if it was bound to share that address; else null. */
function sharedAddress({ sockets }: Platform, { socket }: SocketCall): GroupAddress | null {
  const local = sockets.localAddress(socket);
  if (local === null || local.port === 0) return null;
  if (sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) === 0) return null;
  if (sockets.option(socket, C.SOL_SOCKET, C.SO_ACCEPTCONN) !== 0) return null;
  return groupAddress(sockets, socket, local);
}

function join(
  platform: Platform,
  listeners: Listeners,
  group: Group,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply {
  const backlog = Number(BigInt.asIntN(32, call.args[1] ?? 0n));
  const { epoch, isSettled: late } = owner;
  const waiting = memberWithQueue(group, owner) ??
    madeInOtherNetns(group, { epoch, backlog, late });
  if (waiting !== null) {
    replaceSocket(platform, call, waiting);
    platform.sockets.listen(waiting.heldUntilRetired, backlog);
    group.reassign(waiting, { epoch, owner: call.pid });
    return "done";
  }
  const unmanaged = unmanagedListenerAt(platform, listeners, group.address);
  if (unmanaged !== undefined) {
    owner.onConflict(
      `another program has joined ${group.text} with SO_REUSEPORT, ${holderOf(unmanaged)}: ` +
        `baton cannot tell the kernel's members apart; stop it, or use another port`,
    );
    return { errno: C.EADDRINUSE };
  }
  const held = platform.descriptors.duplicate(call.socket);
  const ofSession = late && owner.isOfSession(call.pid);
  group.takeMember(held, { epoch, owner: call.pid, backlog, late, ofSession });
  return "done";
}
