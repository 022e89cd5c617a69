/**
 * Abstract names that servers bind to find out whether they are alone (`--private-socket`): each generation binds one that
 * is its own, so a second copy finds none, and neither finds the other. Nothing is connected to it, and it is not handed
 * over.
 */
import { isPrivateName, isSuccessorName } from "../../config/values/private_names.ts";
import { C } from "../../platform/libc/constants.ts";
import { decodeBytes, encodeBytes } from "../../platform/bytes.ts";
import { SystemCallError } from "../../platform/error.ts";
import { protocolName } from "../../platform/network/server_sockets.ts";
import type { Platform } from "../../platform/platform.ts";
import * as proc from "../../platform/process/proc.ts";
import { intArgument, type TrappedCall } from "../../platform/process/seccomp.ts";
import type { AdoptContext, CallReply, ListenerOwner, SocketCall } from "../listener_owner.ts";
import { addressAt } from "./path_text.ts";
import { abstractNameIn, trimmedName } from "./unix_name.ts";

/** sizeof(sun_path), without the NUL at the end that `encodeUnixPath` would add to a path: "@" stands for the one in front. */
const MOST_BYTES = 107;

/** @returns null: it is no such name */
export function bindPrivateName(
  { platform, privateNames }: AdoptContext,
  call: SocketCall,
  owner: Pick<ListenerOwner, "onOwnHandoff">,
): CallReply | null {
  const name = privateNameIn(call, privateNames);
  if (name === null || !platform.seccomp.isValid(call.notify, call.id)) return null;
  if (isSuccessorName(trimmedName(name))) {
    const what =
      "it looks for the Envoy before it, by Envoy's own hot restart, and will not find it";
    owner.onOwnHandoff("envoy", what);
    return { errno: C.EADDRINUSE };
  }
  try {
    platform.sockets.bindUnix(call.socket, ownName(name, proc.ownSocketInode(call.socket.number)));
    return "done";
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return { errno: error.errno };
  }
}

/**
 * As `bindPrivateName()`, where baton gets no duplicate of datagram sockets: the socket stays without a name, and no
 * datagram comes.
 */
export function pretendsPrivateName(
  { libc }: Platform,
  call: TrappedCall,
  privateNames: readonly string[],
): boolean {
  const isDatagram = protocolName(libc, call.tid, intArgument(call, 0)) === "UNIX";
  return isDatagram && privateNameIn(call, privateNames) !== null;
}

/** @returns null: it is no such name, or cannot be read */
function privateNameIn(
  { tid, args }: Pick<SocketCall, "tid" | "args">,
  patterns: readonly string[],
): string | null {
  const bytes = addressAt(tid, Number(args[1] ?? 0n), Number(args[2] ?? 0n));
  const name = bytes && abstractNameIn(bytes);
  return name !== null && isPrivateName(trimmedName(name), patterns) ? name : null;
}

/** The generation's own name: no other socket has this inode. Cut off, so that it fits. */
function ownName(asked: string, inode: number): string {
  const [name, end] = [asked.replaceAll("\0", ""), `.${inode}`];
  return decodeBytes(encodeBytes(name).subarray(0, MOST_BYTES - end.length)) + end;
}
