/**
 * Abstract Unix names have no node that could be renamed, and a second bind(2) fails while one socket has the name. With
 * `--unix-shared` all generations have that one socket: a later one gets it in place of its own when it binds, and so it
 * accepts before it has passed its gate. Without it the bind fails as it would without baton, and the reason is given.
 */
import * as proc from "../../platform/process/proc.ts";
import { intArgument } from "../../platform/process/seccomp.ts";
import type { UnixAddress } from "../../steering/member.ts";
import { replaceSocket, waitingMember } from "../adopt_listen.ts";
import {
  type AdoptContext,
  type CallReply,
  type ListenerOwner,
  ownedBy,
  type SocketCall,
} from "../listener_owner.ts";
import { addressAt } from "./path_text.ts";
import { abstractNameIn, trimmedName } from "./unix_name.ts";

/** Stands in place of a directory's device and inode. */
const KEY = "abstract";

/** @returns null: it is no abstract name */
export function bindAbstract(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply | null {
  const { platform, listeners, bound } = context;
  const bytes = addressAt(call.tid, Number(call.args[1] ?? 0n), Number(call.args[2] ?? 0n));
  const name = bytes && abstractNameIn(bytes);
  if (name === null || !platform.seccomp.isValid(call.notify, call.id)) return null;
  const { epoch } = owner;
  if (!bound.sharesAbstract) {
    hintAtTaken(name, call, owner, "connections");
    return "continue";
  }
  const type = call.protocol === "unix-seqpacket" ? "packets" : "stream";
  const address: UnixAddress = { family: "unix", type, directory: "", directoryKey: KEY, name };
  const group = listeners.find(address);
  const other = group?.members.find((member) => !member.dead && member.epoch !== epoch);
  if (group === null || other === undefined) {
    bound.add(proc.ownSocketInode(call.socket.number), { epoch, address, bound: name });
    return "continue";
  }
  const waiting = waitingMember(listeners, group, owner, false);
  replaceSocket(context, call, waiting ?? other);
  if (waiting !== null) {
    group.reassign(waiting, ownedBy(owner, 0));
  } else {
    const socket = platform.descriptors.duplicate(other.heldUntilRetired);
    group.addListening(socket, { epoch, worker: owner.worker, origin: "shared" });
  }
  return "done";
}

/** @returns null: the socket has no abstract name, or it is not shared */
export function listenAtAbstract(
  { listeners, platform, bound }: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply | null {
  const fresh = bound.takeAbstract(proc.ownSocketInode(call.socket.number));
  if (fresh === null) return null;
  const group = listeners.obtain(fresh.address);
  const socket = platform.descriptors.duplicate(call.socket);
  // As at a path, the first listen(2) comes before the first look at the socket; the server's own follows, for
  // SO_PEERCRED.
  platform.sockets.listen(socket, intArgument(call, 1));
  const { epoch, worker } = owner;
  const member = group.addListening(socket, { epoch, worker, origin: "shared" });
  member.owner = call.pid;
  owner.onListening(group, call);
  return "continue";
}

/**
 * Hints at a name that is taken, where the bind will fail.
 * @param kind what may be in the way: a datagram socket is for no client that generations could share
 */
export function hintAtTaken(
  name: string,
  { tid }: Pick<SocketCall, "tid">,
  owner: ListenerOwner,
  kind: "datagrams" | "connections",
): void {
  // sock_diag(7) shows no socket that is only bound: a program that does no more with a name wants to be alone.
  const isTaken = proc.readText(`/proc/${tid}/net/unix`)?.split("\n")
    .some((line) => line.endsWith(` ${name.replaceAll("\0", "@")}`));
  if (!isTaken) return;
  const ways = kind === "datagrams"
    ? ""
    : ", --unix-shared (a new generation accepts at once then)";
  const shown = trimmedName(name);
  owner.onHint(
    `the abstract Unix socket ${shown} is in use, and there is no place beside it for another ` +
      `generation: say --order stop-first${ways}, or --private-socket '${shown}' if no client uses it`,
  );
}
