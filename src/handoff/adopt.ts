/**
 * Adopt: a server's own listening sockets become members, with nothing changed in the server.
 *
 * The launcher's filter reports `bind` and `listen` of the whole process tree; the thread that made
 * the call waits while this answers. On `bind` the socket gets SO_REUSEPORT, so that the bind works
 * beside the other generations'; on `listen` it becomes a member that gets no connection before its
 * generation serves. The listen is carried out here, on a duplicate, for one reason: the order of
 * the kernel's member array is then known, and its error is the caller's error.
 *
 * Left alone: UDP, Unix and netlink sockets, port 0, sockets that are not bound. seccomp_unotify(2)
 * warns that memory read from the caller may change: here that only hurts the caller itself.
 */
import { decodeAddress, type InetAddress } from "../platform/network/address.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { CallOutcome, TrappedCall } from "../platform/process/seccomp.ts";
import type { Group } from "../steering/group.ts";
import type { GroupAddress } from "../steering/member.ts";
import type { Listeners } from "../steering/listeners.ts";
import { madeInOtherNetns, memberWithQueue, replaceSocket } from "./queue_transfer.ts";
import { discardClosed } from "./socket_holders.ts";
import { PostponedCalls } from "./postponed_calls.ts";
import type { ListenCaller, ListenerOwner } from "./listener_owner.ts";
import { rightToBind } from "./right_to_bind.ts";
import { holderOf, unmanagedListenerAt } from "./unmanaged_listeners.ts";

const MAX_SOCKADDR = 128;
/** An IPv4 address of an IPv6 socket. */
const MAPPED = "::ffff:";

/** A trapped call, with what had to be looked up to answer it. */
interface SocketCall extends ListenCaller {
  readonly tid: number;
  readonly args: readonly bigint[];
}

/** What becomes of a trapped call: the kernel carries it out, we did, it waits, or it fails. */
type Verdict = "continue" | "done" | "later" | { readonly errno: number };

export class Adopter {
  /** Inodes of sockets bound to port 0: theirs alone, never handed over. */
  readonly ephemeral = new Set<number>();
  readonly #postponed = new PostponedCalls();
  #isReplaced = false;

  /** @param onMemberNeeded a call waits for a member of a group that only the predecessor can add to */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly onMemberNeeded: (group: Group) => void,
  ) {}

  /** System calls to trap. */
  get trap(): readonly number[] {
    const { SYS_bind, SYS_listen } = this.platform.libc.arch;
    return [SYS_bind, SYS_listen];
  }

  /**
   * Answers one notification, whatever happens: a call without an answer hangs its thread for ever.
   * A postponed call comes back by `onReleased` of its owner.
   * @throws what went wrong, after the call was let through
   */
  handle(notify: Fd, notification: TrappedCall, tenant: ListenerOwner): CallOutcome {
    const { seccomp } = this.platform;
    let answered = false;
    const answer = (send: () => void) => {
      answered = true;
      send();
    };
    try {
      const call = this.#lookUp(notify, notification, tenant);
      if (call === null) return "answered";
      const listens = notification.call === this.platform.libc.arch.SYS_listen;
      const verdict = listens ? this.#listen(call, tenant) : this.#bind(call, tenant);
      if (verdict === "continue") return "answered";
      if (verdict === "later") {
        answered = true;
        this.#postponed.add({ notify, notification, tenant });
        return "postponed";
      }
      answer(() =>
        verdict === "done"
          ? seccomp.answer(notify, notification.id, 0)
          : seccomp.refuse(notify, notification.id, verdict.errno)
      );
      return "answered";
    } finally {
      if (!answered) seccomp.continue(notify, notification.id);
    }
  }

  /** Another baton has taken over: what our generations would add to its groups is refused. */
  refuseNewMembers(): void {
    this.#isReplaced = true;
    this.retryPostponed();
  }

  /** The other baton has ended, and this one is not replaced any more. */
  acceptNewMembers(): void {
    this.#isReplaced = false;
    this.retryPostponed();
  }

  /** No other baton steers any more: calls that have waited for that are answered. */
  retryPostponed(): void {
    this.#postponed.release(({ notify, notification, tenant }) =>
      tenant.onReleased(notify, notification)
    );
  }

  /** The caller's socket, when it is one that can be handed over; null = none of our business. */
  #lookUp(notify: Fd, notification: TrappedCall, tenant: ListenerOwner): SocketCall | null {
    const { id, tid, args } = notification;
    const pid = proc.processOfThread(tid);
    const descriptor = Number(BigInt.asIntN(32, args[0] ?? -1n));
    if (pid === null || descriptor < 0) return null;
    let socket: Fd;
    try {
      using pidfd = this.platform.processes.openPidfd(pid);
      socket = this.platform.processes.duplicateFrom(pidfd, descriptor);
    } catch (error) {
      this.#cannotLook(error, tenant);
      return null;
    }
    // The thread may have died, and its number belong to another by now.
    const isCaller = this.platform.seccomp.isValid(notify, id);
    if (isCaller && this.#isTcp(socket, tenant)) {
      return { notify, id, pid, tid, descriptor, socket, args };
    }
    socket.close();
    return null;
  }

  #cannotLook(error: unknown, tenant: ListenerOwner): void {
    if (!(error instanceof SystemCallError)) throw error;
    // EBADF and ESRCH are the caller's own business; a refusal is not.
    if (error.errno !== C.EPERM && error.errno !== C.ENOSYS) return;
    tenant.onConflict(
      `${error.message}: baton may not take a duplicate of the server's socket ` +
        `(CAP_SYS_PTRACE, kernel 5.6): run "baton doctor", or use --listen`,
    );
  }

  #isTcp(socket: Fd, tenant: ListenerOwner): boolean {
    const { sockets } = this.platform;
    try {
      const domain = sockets.option(socket, C.SOL_SOCKET, C.SO_DOMAIN);
      const type = sockets.option(socket, C.SOL_SOCKET, C.SO_TYPE);
      if (domain === C.AF_UNIX && type === C.SOCK_STREAM) {
        tenant.onHint("it uses a Unix socket, which baton does not hand over yet");
      }
      if (sockets.option(socket, C.SOL_SOCKET, C.SO_PROTOCOL) === C.IPPROTO_MPTCP) {
        tenant.onHint("it uses MPTCP, which cannot be steered");
        return false;
      }
      return (domain === C.AF_INET || domain === C.AF_INET6) && type === C.SOCK_STREAM;
    } catch {
      return false; // Not a socket: the call will fail by itself.
    }
  }

  #bind(call: SocketCall, tenant: ListenerOwner): Verdict {
    using socket = call.socket;
    const { seccomp, sockets } = this.platform;
    const length = Math.min(Number(call.args[2] ?? 0n), MAX_SOCKADDR);
    const bytes = proc.readMemory(call.tid, Number(call.args[1] ?? 0n), length);
    const address = bytes && decodeAddress(bytes);
    if (address && seccomp.isValid(call.notify, call.id)) {
      const shares = sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) !== 0;
      if (address.port === 0) {
        // Only these could be taken for one of ours when they listen.
        if (shares) this.ephemeral.add(this.#inode(socket));
      } else {
        const wanted = this.#groupAddress(socket, address);
        const right = rightToBind(this.platform, this.listeners, wanted, tenant);
        if (right === "none") return { errno: C.EADDRINUSE };
        if (right === "shared") {
          sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
          this.#allowFarAddress(socket, wanted);
        }
      }
    }
    return "continue";
  }

  /** Its place is taken by a socket from where that address is; here there may be none such. */
  #allowFarAddress(socket: Fd, wanted: GroupAddress): void {
    const group = this.listeners.find(wanted);
    if ((group?.network ?? null) === null) return;
    this.platform.sockets.setOption(socket, C.IPPROTO_IP, C.IP_FREEBIND, 1);
  }

  #listen(call: SocketCall, tenant: ListenerOwner): Verdict {
    const { socket } = call;
    const inode = this.#inode(socket);
    this.listeners.findShutDown();
    const known = this.listeners.findMember(inode, tenant.epoch);
    if (known !== null) {
      // Again on a socket that it inherited from its parent or from us: a new backlog, no more.
      known.member.owner ||= call.pid;
      tenant.onListening(known.group, call);
      socket.close();
      return "continue";
    }
    try {
      const local = this.#handedOverAddress(socket, inode);
      if (local === null) {
        socket.close();
        return "continue";
      }
      const group = this.listeners.obtain(local);
      if (group.isFrozen && memberWithQueue(group, tenant) === null) {
        socket.close();
        if (this.#isReplaced) return { errno: C.EADDRINUSE };
        this.onMemberNeeded(group);
        return "later";
      }
      for (const other of this.listeners.groupsOf(tenant.epoch)) {
        if (other !== group) discardClosed(other, tenant);
      }
      const verdict = this.#join(call, group, inode, tenant);
      if (verdict === "done") tenant.onListening(group, call);
      return verdict;
    } catch (error) {
      if (this.listeners.findMember(inode) === null) socket.close();
      if (!(error instanceof SystemCallError)) throw error;
      tenant.onHint(error.message);
      return { errno: error.errno };
    }
  }

  /** Where a socket is about to listen, if it was bound to share that address; else null. */
  #handedOverAddress(socket: Fd, inode: number): GroupAddress | null {
    const { sockets } = this.platform;
    if (this.ephemeral.delete(inode)) return null;
    const local = sockets.localAddress(socket);
    if (local === null || local.port === 0) return null;
    if (sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) === 0) return null;
    if (sockets.option(socket, C.SOL_SOCKET, C.SO_ACCEPTCONN) !== 0) return null;
    return this.#groupAddress(socket, local);
  }

  #join(call: SocketCall, group: Group, inode: number, tenant: ListenerOwner): Verdict {
    const backlog = Number(BigInt.asIntN(32, call.args[1] ?? 0n));
    const { epoch } = tenant;
    const late = tenant.isSettled;
    const waiting = memberWithQueue(group, tenant) ??
      madeInOtherNetns(group, { epoch, backlog, late });
    if (waiting !== null) {
      replaceSocket(this.platform, call, waiting);
      this.platform.sockets.listen(waiting.heldUntilRetired, backlog);
      group.reassign(waiting, { epoch, owner: call.pid });
      call.socket.close();
      return "done";
    }
    const stranger = unmanagedListenerAt(this.platform, this.listeners, group.address);
    if (stranger !== undefined) {
      tenant.onConflict(
        `another program has joined ${group.text} with SO_REUSEPORT, ${holderOf(stranger)}: ` +
          `baton cannot tell the kernel's members apart; stop it, or use another port`,
      );
      call.socket.close();
      return { errno: C.EADDRINUSE };
    }
    const ofSession = late && tenant.isOfSession(call.pid);
    group.takeMember(call.socket, { epoch, inode, owner: call.pid, backlog, late, ofSession });
    return "done";
  }

  #groupAddress(socket: Fd, address: InetAddress): GroupAddress {
    const { sockets } = this.platform;
    // bind(2) at one address of IPv6 sets the option (__inet6_bind in the kernel).
    const { family, host } = address;
    const v6only = family === "inet6" &&
      (sockets.option(socket, C.IPPROTO_IPV6, C.IPV6_V6ONLY) !== 0 ||
        (host !== "::" && !host.startsWith(MAPPED)));
    return { ...address, v6only, boundInterface: 0 };
  }

  #inode(socket: Fd): number {
    return proc.ownSocketInode(socket.number);
  }
}
