/**
 * A trapped bind(2): gives the socket SO_REUSEPORT, so that the bind works beside the other generations', if that is
 * allowed beside the listeners there and at overlapping addresses. Where an unwrapped server gets EADDRINUSE, it gets
 * it here too, and its generation gets a hint why.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import { decodeAddress, formatAddress, type InetAddress } from "../platform/network/address.ts";
import { giveToUserOf } from "../platform/network/socket_user.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { GroupAddress } from "../steering/member.ts";
import { groupAddress } from "./caller_socket.ts";
import { bindPrivately } from "./front/bind_privately.ts";
import {
  type AdoptContext,
  type CallReply,
  isTaken,
  type ListenerOwner,
  type SocketCall,
} from "./listener_owner.ts";
import { isLeftAlone } from "./opener.ts";
import { holderOf, listenersOverlapping, overlapText } from "./unmanaged_listeners.ts";

const MAX_SOCKADDR = 128;
/** Inodes that are remembered of sockets bound to port 0. A client that binds so before it connects never listens. */
const MOST_EPHEMERAL = 1024;

export function adoptBind(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply {
  const { platform, listeners, ephemeral } = context;
  const { sockets } = platform;
  const { pid, socket } = call;
  const address = addressToBind(platform, call);
  if (address === null) {
    context.unseenBinds.add(socket);
    return "continue";
  }
  if (address.port === 0) {
    const isShared = sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) !== 0;
    if (isShared) addLatest(ephemeral, proc.ownSocketInode(socket.number));
    return "continue";
  }
  const wanted = groupAddress(sockets, socket, address);
  const places = listeners.privateAddresses;
  const behindFront = places?.behindFront(wanted) ?? null;
  if (places !== null && behindFront !== null) {
    return bindPrivately(context, call, owner, { address: behindFront, places });
  }
  const right = rightToBind(platform, listeners, wanted, owner);
  if (right === "none") return { errno: C.EADDRINUSE };
  if (right === "own" || isLeftAlone(context, wanted, pid, owner)) return "continue";
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
  // A socket made in the group's own netns replaces this one; here the address may not exist.
  const group = listeners.find(wanted);
  const network = group?.network ?? null;
  if (network !== null) sockets.setOption(socket, C.IPPROTO_IP, C.IP_FREEBIND, 1);
  if (group !== null) shareUser(socket, group, owner);
  return "continue";
}

/** Makes the socket joinable where the generations before have run as another user (--user). */
function shareUser(socket: Fd, { members: [example] }: Group, owner: ListenerOwner): void {
  if (example === undefined) return;
  try {
    giveToUserOf(socket, example.heldUntilRetired);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    owner.onHint(`${error.message}: baton needs CAP_CHOWN where the user changes, or --listen`);
  }
}

function addLatest(inodes: Set<number>, inode: number): void {
  inodes.add(inode);
  const [oldest] = inodes;
  if (inodes.size > MOST_EPHEMERAL && oldest !== undefined) inodes.delete(oldest);
}

/** @returns what the caller binds to; null: its memory cannot be read, or it is gone */
export function addressToBind(
  { seccomp }: Platform,
  { notify, id, tid, args }: SocketCall,
): InetAddress | null {
  const length = Math.min(Number(args[2] ?? 0n), MAX_SOCKADDR);
  const bytes = proc.readMemory(tid, Number(args[1] ?? 0n), length);
  const address = bytes && decodeAddress(bytes);
  return address && seccomp.isValid(notify, id) ? address : null;
}

/** `shared`: beside the other generations. `own`: as the server asked for it. `none`: EADDRINUSE. */
type RightToBind = "shared" | "own" | "none";

export function rightToBind(
  platform: Platform,
  listeners: Listeners,
  wanted: GroupAddress,
  owner: ListenerOwner,
): RightToBind {
  // Refused here, because with the server's own SO_REUSEPORT the kernel would allow it.
  const other = listeners.overlapping(wanted, [owner.epoch, owner.replacementOf]);
  if (other !== null) {
    owner.onHint(overlapText(formatAddress(wanted), other));
    return "none";
  }
  if (isTaken(listeners, wanted, owner)) return "own";
  if (listeners.find(wanted) !== null) return "shared";
  const [unmanaged] = listenersOverlapping(platform, wanted)
    .filter(({ inode }) => listeners.findMember(inode) === null);
  if (unmanaged === undefined) return "shared";
  owner.onHint(`${formatAddress(wanted)} is held by ${holderOf(unmanaged)}`);
  return "own";
}
