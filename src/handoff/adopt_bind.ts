/** A trapped bind(2): gives the socket SO_REUSEPORT, so that the bind works beside the other generations'. */
import { C } from "../platform/libc/constants.ts";
import { decodeAddress } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Listeners } from "../steering/listeners.ts";
import { groupAddress } from "./caller_socket.ts";
import type { CallReply, ListenerOwner, SocketCall } from "./listener_owner.ts";
import { rightToBind } from "./right_to_bind.ts";

const MAX_SOCKADDR = 128;

/** @param ephemeral gets the inodes of sockets bound to port 0 that could be taken for ours when they listen */
export function adoptBind(
  platform: Platform,
  listeners: Listeners,
  { notify, id, tid, args, socket }: SocketCall,
  owner: ListenerOwner,
  ephemeral: Set<number>,
): CallReply {
  const { seccomp, sockets } = platform;
  const length = Math.min(Number(args[2] ?? 0n), MAX_SOCKADDR);
  const bytes = proc.readMemory(tid, Number(args[1] ?? 0n), length);
  const address = bytes && decodeAddress(bytes);
  if (!address || !seccomp.isValid(notify, id)) return "continue";
  if (address.port === 0) {
    const isShared = sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) !== 0;
    if (isShared) ephemeral.add(proc.ownSocketInode(socket.number));
    return "continue";
  }
  const wanted = groupAddress(sockets, socket, address);
  const right = rightToBind(platform, listeners, wanted, owner);
  if (right === "none") return { errno: C.EADDRINUSE };
  if (right === "own") return "continue";
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
  // A socket made in the group's own netns replaces this one; here the address may not exist.
  const network = listeners.find(wanted)?.network ?? null;
  if (network !== null) sockets.setOption(socket, C.IPPROTO_IP, C.IP_FREEBIND, 1);
  return "continue";
}
