/** Finds the socket that a trapped call is about. */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { InetAddress } from "../platform/network/address.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import type { GroupAddress } from "../steering/member.ts";
import type { ListenerOwner, SocketCall } from "./listener_owner.ts";

/** @returns null where the socket is not one that baton hands over, or the caller is gone */
export function findCallerSocket(
  platform: Platform,
  notify: Fd,
  { id, tid, args }: TrappedCall,
  owner: ListenerOwner,
): SocketCall | null {
  const pid = proc.processOfThread(tid);
  const descriptor = Number(BigInt.asIntN(32, args[0] ?? -1n));
  if (pid === null || descriptor < 0) return null;
  const socket = duplicate(platform, pid, descriptor, owner);
  if (socket === null) return null;
  // The thread may have died, and its number may belong to another one by now.
  const isCaller = platform.seccomp.isValid(notify, id);
  if (isCaller && isTcp(platform.sockets, socket, owner)) {
    return { notify, id, pid, tid, args, descriptor, socket };
  }
  socket.close();
  return null;
}

function duplicate(
  { processes }: Platform,
  pid: number,
  descriptor: number,
  owner: ListenerOwner,
): Fd | null {
  try {
    using pidfd = processes.openPidfd(pid);
    return processes.duplicateFrom(pidfd, descriptor);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    // EBADF and ESRCH are the caller's own business; a refusal is not.
    if (error.errno === C.EPERM || error.errno === C.ENOSYS) {
      owner.onConflict(
        `${error.message}: baton may not take a duplicate of the server's socket ` +
          `(CAP_SYS_PTRACE, kernel 5.6): run "baton doctor", or use --listen`,
      );
    }
    return null;
  }
}

function isTcp(sockets: Sockets, socket: Fd, owner: ListenerOwner): boolean {
  try {
    const domain = sockets.option(socket, C.SOL_SOCKET, C.SO_DOMAIN);
    const type = sockets.option(socket, C.SOL_SOCKET, C.SO_TYPE);
    if (domain === C.AF_UNIX && type === C.SOCK_STREAM) {
      owner.onHint("it uses a Unix socket, which baton does not hand over yet");
    }
    if (sockets.option(socket, C.SOL_SOCKET, C.SO_PROTOCOL) === C.IPPROTO_MPTCP) {
      owner.onHint("it uses MPTCP, which cannot be steered");
      return false;
    }
    return (domain === C.AF_INET || domain === C.AF_INET6) && type === C.SOCK_STREAM;
  } catch {
    return false; // Not a socket: the call will fail by itself.
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
