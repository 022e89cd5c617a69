/**
 * A trapped bind(2) or listen(2) of a Unix socket with a path. The first generation there binds the path itself. A later
 * one gets a node of its own in the same directory, which baton makes with the server's own socket and names; and one
 * that replaces a generation that is gone gets that one's socket, with those who wait in it.
 */
import { SystemCallError } from "../../platform/error.ts";
import { resolveForThread } from "../../platform/files/thread_path.ts";
import { C } from "../../platform/libc/constants.ts";
import { fileIdentityOf } from "../../platform/process/file_identity.ts";
import * as proc from "../../platform/process/proc.ts";
import { intArgument } from "../../platform/process/seccomp.ts";
import { pathOf } from "../../steering/group_address.ts";
import type { Group } from "../../steering/group.ts";
import type { UnixAddress } from "../../steering/member.ts";
import {
  discardClosedElsewhere,
  listensAgain,
  replaceSocket,
  traitsOf,
  waitingMember,
} from "../adopt_listen.ts";
import {
  type AdoptContext,
  type CallReply,
  type ListenerOwner,
  ownedBy,
  type SocketCall,
} from "../listener_owner.ts";
import { isLeftAlone } from "../opener.ts";
import { isPrivateAt } from "./private_path.ts";
import { occupantOf, removeLeftNodes, strangerAt, strangerText } from "./stale_path.ts";
import { pathAt } from "./path_text.ts";

export function bindPath(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply {
  const { platform, listeners, bound } = context;
  const { tid, args, notify, id, socket, protocol } = call;
  const path = pathAt(tid, Number(args[1] ?? 0n), Number(args[2] ?? 0n));
  if (path === null && !proc.canSeeDescriptors(tid)) {
    owner.onHint(
      "it binds a Unix socket as another user, at a path that baton may not read: " +
        "start baton as that user, or with CAP_SYS_PTRACE",
    );
  }
  if (path === null || !platform.seccomp.isValid(notify, id)) return "continue";
  const place = resolveForThread(platform, tid, C.AT_FDCWD, path);
  if (place === null) return "continue";
  using directory = place.directory;
  const address: UnixAddress = {
    family: "unix",
    type: protocol === "unix-seqpacket" ? "packets" : "stream",
    directory: directory.path,
    directoryKey: directory.key,
    name: place.name,
  };
  const group = listeners.find(address);
  if (group !== null && hasOthers(group, owner.epoch)) {
    return bindBeside(context, group, { ...call, asked: path }, owner);
  }
  bound.add(proc.ownSocketInode(socket.number), { epoch: owner.epoch, address, bound: path });
  if (group !== null && group.membersOf(owner.epoch).length > 0) {
    hintAtWorkers(group, owner);
    return "continue";
  }
  const occupant = occupantOf(platform.sockets, directory, address);
  if (occupant.kind === "stale") directory.remove(address.name);
  if (occupant.kind === "alive") owner.onHint(`${pathOf(address)} is held by ${occupant.holder}`);
  else removeLeftNodes(platform.sockets, directory, address);
  return "continue";
}

/** Hints at `--workers`, where another worker has the path: it has one node, and that has one socket. */
function hintAtWorkers(group: Group, owner: ListenerOwner): void {
  const { epoch, worker } = owner;
  const other = group.membersOf(epoch).find((member) => member.worker !== worker);
  if (other === undefined) return;
  owner.onHint(
    `worker ${other.worker} listens at ${group.text}, and a path has room for one: put {worker} into ` +
      "the path, or use --workers 1 (a server may fork its own workers)",
  );
}

function hasOthers(group: Group, epoch: number): boolean {
  return group.members.some((member) => !member.dead && member.epoch !== epoch);
}

function bindBeside(
  context: AdoptContext,
  group: Group,
  { asked, ...call }: SocketCall & { readonly asked: string },
  owner: ListenerOwner,
): CallReply {
  const { path } = group;
  if (path === null || isLeftAlone(context, group.address, call.pid, owner)) return "continue";
  const { epoch } = owner;
  try {
    const waiting = waitingMember(context.listeners, group, owner);
    if (waiting !== null) {
      // The socket listens already. The server's own listen(2) shows clients which process does so now.
      replaceSocket(context, call, waiting);
      group.reassign(waiting, ownedBy(owner, 0));
      return "done";
    }
    const own = path.nodesOf(epoch).filter(({ name }) => name !== null);
    if (own.length > 0) {
      hintAtWorkers(group, owner);
      return { errno: C.EADDRINUSE };
    }
    const stranger = strangerAt(context.platform.sockets, path);
    if (stranger !== null) {
      owner.onConflict(strangerText(group.text, stranger));
      return { errno: C.EADDRINUSE };
    }
    path.bindHidden(call.socket, { epoch, label: `${epoch}`, asked }, fileIdentityOf(call.tid));
    return "done";
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const what = error.errno === C.EACCES || error.errno === C.EPERM || error.code === "EROFS"
      ? `${error.message}: baton may not make a file beside ${group.text}, which each generation needs`
      : `it cannot have a place of its own beside ${group.text}: ${error.message}`;
    owner.onConflict(`${what}: use --order stop-first, or a directory that baton may write to`);
    return { errno: error.errno };
  }
}

export function listenAtPath(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply {
  const { platform, listeners } = context;
  const inode = proc.ownSocketInode(call.socket.number);
  if (owner.refusesPassed(inode)) return { errno: C.EADDRINUSE };
  if (listensAgain(listeners, inode, call, owner)) return "continue";
  const group = groupOf(context, inode, call, owner);
  if (group === null) return "continue";
  if (group.isFrozen) return context.replyWhenFrozen(group);
  discardClosedElsewhere(listeners, group, owner);
  const backlog = intArgument(call, 1);
  const held = platform.descriptors.duplicate(call.socket);
  const traits = traitsOf(context, group, call.pid, owner);
  try {
    group.takeMember(held, { ...ownedBy(owner, call.pid), backlog, ...traits });
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    owner.onHint(error.message);
    return { errno: error.errno };
  }
  owner.onListening(group, call);
  // The server calls listen(2) once more: SO_PEERCRED shows clients the process that has called it last.
  return "continue";
}

/** @returns null: the path is not the service's, or the socket is bound to none */
function groupOf(
  context: AdoptContext,
  inode: number,
  { tid, pid }: SocketCall,
  owner: ListenerOwner,
): Group | null {
  const { platform, listeners, bound } = context;
  const beside = listeners.groups.find(({ path }) => path?.boundNode(inode));
  if (beside !== undefined) return beside;
  const fresh = bound.take(inode);
  if (fresh === null) return null;
  const { address } = fresh;
  if (isLeftAlone(context, address, pid, owner)) return null;
  const place = resolveForThread(platform, tid, C.AT_FDCWD, fresh.bound);
  if (place === null) return null;
  const node = place.directory.stat(address.name);
  if (!node?.isSocket || isPrivateAt(platform, place.directory, { address, pid, owner })) {
    place.directory.close();
    return null;
  }
  const group = listeners.obtain(address);
  group.path?.keepDirectory(place.directory);
  group.path?.noteBound(inode, owner.epoch, {
    name: address.name,
    key: node.key,
    bound: fresh.bound,
  });
  return group;
}
