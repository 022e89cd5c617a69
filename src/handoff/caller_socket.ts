/** Finds the socket that a trapped call is about. */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { InetAddress } from "../platform/network/address.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import type { Platform } from "../platform/platform.ts";
import { fileIdentityOf } from "../platform/process/file_identity.ts";
import * as proc from "../platform/process/proc.ts";
import { intArgument, type TrappedCall } from "../platform/process/seccomp.ts";
import type { GroupAddress } from "../steering/member.ts";
import type { DuplicateSource } from "./duplicates/source.ts";
import type {
  CallReply,
  ListenerOwner,
  OwnConnect,
  SocketCall,
  SocketProtocol,
} from "./listener_owner.ts";

/** @returns null where it is not about a socket of a `SocketProtocol`, or the caller is gone */
export function findCallerSocket(
  platform: Platform,
  source: DuplicateSource,
  { notify, call }: { readonly notify: Fd; readonly call: TrappedCall },
  owner: ListenerOwner,
): SocketCall | null {
  const { id, tid, args } = call;
  const pid = proc.processOfThread(tid);
  const descriptor = intArgument(call, 0);
  if (pid === null || descriptor < 0) return null;
  const socket = source.duplicate({ notify, call, pid, descriptor }, owner);
  if (socket === null) return null;
  // The thread may have died, and its number may belong to another one by now.
  const isCaller = platform.seccomp.isValid(notify, id);
  const protocol = isCaller ? protocolOf(platform.sockets, socket, owner) : null;
  if (protocol !== null) return { notify, id, pid, tid, args, descriptor, socket, protocol };
  socket.close();
  return null;
}

/**
 * connect(2) of a candidate to its own path, which clients of another generation use: baton connects the caller's socket
 * to the candidate's own node.
 */
export function connectCaller(
  platform: Platform,
  source: DuplicateSource,
  trapped: { readonly notify: Fd; readonly call: TrappedCall },
  owner: ListenerOwner,
  { connectTo }: OwnConnect,
): CallReply {
  const [caller, own] = [fileIdentityOf(trapped.call.tid), fileIdentityOf("self")];
  // SO_PEERCRED would show baton in place of a process with fewer rights.
  if (caller.uid !== own.uid || caller.gid !== own.gid) return "continue";
  const call = findCallerSocket(platform, source, trapped, owner);
  if (call === null) return "continue";
  using socket = call.socket;
  const { descriptors, sockets } = platform;
  const isNonblocking = descriptors.isNonblocking(socket);
  // A full queue must not stop baton.
  descriptors.setNonblocking(socket, true);
  try {
    sockets.connectUnix(socket, connectTo);
    return "done";
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return { errno: error.errno };
  } finally {
    descriptors.setNonblocking(socket, isNonblocking);
  }
}

function protocolOf(sockets: Sockets, socket: Fd, owner: ListenerOwner): SocketProtocol | null {
  try {
    const domain = sockets.option(socket, C.SOL_SOCKET, C.SO_DOMAIN);
    const type = sockets.option(socket, C.SOL_SOCKET, C.SO_TYPE);
    if (domain === C.AF_UNIX) {
      if (type === C.SOCK_STREAM) return "unix-stream";
      if (type === C.SOCK_DGRAM) return "unix-datagram";
      return type === C.SOCK_SEQPACKET ? "unix-seqpacket" : null;
    }
    if (domain !== C.AF_INET && domain !== C.AF_INET6) return null;
    const protocol = sockets.option(socket, C.SOL_SOCKET, C.SO_PROTOCOL);
    if (protocol === C.IPPROTO_MPTCP) {
      owner.onHint("it uses MPTCP, which cannot be steered");
      return null;
    }
    if (type === C.SOCK_STREAM) return "tcp";
    return type === C.SOCK_DGRAM && protocol === C.IPPROTO_UDP ? "udp" : null;
  } catch {
    return null; // Not a socket: the call will fail by itself.
  }
}

/** The group that `socket` joins when it listens at `address`. */
export function groupAddress(sockets: Sockets, socket: Fd, address: InetAddress): GroupAddress {
  // bind(2) at one address of IPv6 sets the option (__inet6_bind in the kernel).
  const { family, host } = address;
  const v6only = family === "inet6" &&
    (sockets.option(socket, C.IPPROTO_IPV6, C.IPV6_V6ONLY) !== 0 ||
      (host !== "::" && !host.startsWith("::ffff:")));
  return { ...address, v6only, boundInterface: 0 };
}
