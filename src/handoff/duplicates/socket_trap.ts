/**
 * Duplicates without any right over the server: socket(2) of a TCP or Unix socket is answered with one that baton has made, of
 * which it so has a duplicate from the start. All that follows, options and bind too, is the server's own. The socket is
 * of baton's network namespace, cgroup and security label, and its inode is of baton's user: so servers of several users
 * can share an address. seccomp_unotify(2)
 *
 * Outgoing connections are made of such sockets too (held_sockets.ts), at a cost; so a generation that has passed its
 * gate gets them from the kernel again, and what it binds then comes by late_bind.ts.
 */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import {
  networkOf,
  socketAsAsked,
  socketAt,
  whyItMustStay,
} from "../../platform/network/server_sockets.ts";
import type { CallRule } from "../../platform/process/call_filter.ts";
import * as proc from "../../platform/process/proc.ts";
import { intArgument, type TrappedCall } from "../../platform/process/seccomp.ts";
import { uninterrupted } from "../../platform/process/uninterrupted.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { CallReply, ListenerOwner } from "../listener_owner.ts";
import { type HeldSocket, HeldSockets } from "./held_sockets.ts";
import { asksForPlace, LateBind } from "./late_bind.ts";
import type { LearnedListeners } from "./learned.ts";
import type { CallerDescriptor, DuplicateSource } from "./source.ts";

/** The type in the second argument of socket(2); all other bits are flags. */
const TYPE_MASK = 0xf;

export class SocketTrapSource implements DuplicateSource {
  readonly rules: readonly CallRule[];
  readonly passing: readonly number[];
  readonly held: HeldSockets;
  readonly #lateBind: LateBind;
  readonly #learned: LearnedListeners | null;
  #ownNetwork: number | null = null;

  /**
   * @param traps `streams`: of TCP and Unix; `datagrams`: of UDP, too; `nothing`: each listener is replaced when it is
   *   bound, as later ones are
   * @param learned null: sockets are trapped in all generations
   */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    traps: "streams" | "datagrams" | "nothing",
    learned: LearnedListeners | null = null,
  ) {
    this.#learned = learned;
    const { SYS_socket } = platform.libc.arch;
    const asks = (domains: number[], types: number[], protocol: number): CallRule => ({
      call: SYS_socket,
      when: [
        { argument: 0, values: domains },
        { argument: 1, mask: TYPE_MASK, values: types },
        { argument: 2, values: [0, protocol] },
      ],
    });
    this.held = new HeldSockets(platform);
    this.#lateBind = new LateBind(platform);
    const streams = [
      asks([C.AF_INET, C.AF_INET6], [C.SOCK_STREAM], C.IPPROTO_TCP),
      asks([C.AF_UNIX], [C.SOCK_STREAM, C.SOCK_SEQPACKET], C.AF_UNIX),
    ];
    const datagrams = asks([C.AF_INET, C.AF_INET6], [C.SOCK_DGRAM], C.IPPROTO_UDP);
    const trapped = { nothing: [], streams, datagrams: [...streams, datagrams] }[traps];
    this.passing = trapped.length > 0 ? [SYS_socket] : [];
    this.rules = [...trapped, ...this.#lateBind.rules];
  }

  rulesFor(epoch: number): readonly CallRule[] {
    const descriptors = this.#learned?.begin(epoch) ?? null;
    if (descriptors === null) return this.rules;
    return [...this.#lateBind.rules, this.#lateBind.rulesAt(descriptors)];
  }

  get unsuited(): string | null {
    return this.#learned?.unsuited ?? null;
  }

  isReplacing(epoch: number): boolean {
    return this.#learned?.isReplacing(epoch) ?? false;
  }

  /**
   * Whether a call needs no decision: what a settled generation binds comes by late_bind.ts. Where baton may not look
   * into it, only what it opens when it starts is handed over.
   */
  mayPass({ call, tid }: TrappedCall, { readyTicks, settledTicks }: ListenerOwner): boolean {
    if (call !== this.platform.libc.arch.SYS_socket || readyTicks === 0) return false;
    return settledTicks > 0 || proc.canSeeDescriptors(tid);
  }

  handle(notify: Fd, call: TrappedCall, owner: ListenerOwner): CallReply | "answered" {
    if (call.call === this.platform.libc.arch.SYS_socket) return this.#give(notify, call, owner);
    this.#lateBind.note(call);
    return "continue";
  }

  #give(notify: Fd, call: TrappedCall, owner: ListenerOwner): CallReply | "answered" {
    const { id, tid } = call;
    const pid = proc.processOfThread(tid) ?? tid;
    if (this.held.isFull || !this.#isInOwnNetwork(tid)) return "continue";
    const [domain, type, protocol] = [0, 1, 2].map((at) => intArgument(call, at));
    let fd: Fd;
    try {
      fd = socketAsAsked(this.platform.libc, domain!, type!, protocol!);
    } catch (error) {
      // The server gets its own error from the kernel.
      if (error instanceof SystemCallError) return "continue";
      throw error;
    }
    const closeOnExec = (type! & C.SOCK_CLOEXEC) !== 0;
    const number = this.#answer(notify, id, { source: fd, closeOnExec });
    if (number < 0) {
      fd.close();
      // EMFILE is the server's own limit. At any other error the kernel makes the socket, or the caller is gone.
      return number === -C.EMFILE ? { errno: C.EMFILE } : "continue";
    }
    const inode = proc.ownSocketInode(fd.number);
    this.held.add({ fd, inode, epoch: owner.epoch, isBound: false, pid, number });
    return "answered";
  }

  /** Signals are blocked: one in the middle would leave the call answered, and without a descriptor. */
  #answer(notify: Fd, id: bigint, answer: { source: Fd; closeOnExec: boolean }): number {
    const { seccomp, processes } = this.platform;
    return uninterrupted(processes, () => {
      const number = seccomp.answerWithDescriptor(notify, id, answer);
      // Before Linux 5.14 the kernel does not know the flag.
      return number === -C.EINVAL ? seccomp.answerInTwoSteps(notify, id, answer) : number;
    });
  }

  /**
   * Whether the caller is in baton's network namespace; where that cannot be found out (hidepid), it is taken to be.
   */
  #isInOwnNetwork(tid: number): boolean {
    const network = networkOf(tid);
    return network === null || network === (this.#ownNetwork ??= networkOf("self"));
  }

  duplicate(of: CallerDescriptor, owner: ListenerOwner): Fd | null {
    const { pid, descriptor: number, call: { tid } } = of;
    const { epoch } = owner;
    let socket = this.held.find({ tid, pid, number, epoch });
    if (socket === null) {
      const known = this.#memberAt(tid, number, epoch);
      if (known !== null) return this.platform.descriptors.duplicate(known);
      if (this.#refuses(of, owner)) return null;
      const fd = this.#lateBind.put(of);
      if (fd === null) return null;
      this.#learned?.note(epoch, number, null);
      socket = { fd, inode: proc.ownSocketInode(fd.number), epoch, isBound: true, pid, number };
      this.held.add(socket);
    } else this.#learn(of, socket);
    socket.isBound = true;
    return this.platform.descriptors.duplicate(socket.fd);
  }

  /** Learns at which descriptor a listener is bound, from a socket of the trap. */
  #learn(of: CallerDescriptor, { epoch, pid: opener, number }: HeldSocket): void {
    const { call, pid, descriptor } = of;
    if (this.#learned === null || call.call !== this.platform.libc.arch.SYS_bind) return;
    const isSeen = typeof socketAt(call.tid, descriptor) === "number";
    if (!isSeen) return this.#learned.note(epoch, descriptor, "processes that baton may not see");
    if (!asksForPlace(call)) return;
    const hasMoved = opener !== pid || number !== descriptor;
    const why = hasMoved
      ? "the server has opened it in another process or at another descriptor"
      : this.#lateBind.whyNot(of) ?? whyItMustStay(pid, descriptor);
    this.#learned.note(epoch, descriptor, why);
  }

  /**
   * Whether the server does what its last version did not, so that its socket cannot be replaced: then it fails,
   * instead of serving with half a socket.
   */
  #refuses({ call, pid, descriptor }: CallerDescriptor, owner: ListenerOwner): boolean {
    if (!this.isReplacing(owner.epoch) || call.call !== this.platform.libc.arch.SYS_bind) {
      return false;
    }
    const why = whyItMustStay(pid, descriptor);
    if (why === null || !asksForPlace(call)) return false;
    this.#learned?.note(owner.epoch, descriptor, why);
    owner.onConflict(
      `descriptor ${descriptor}: ${why}: reload once more, then its sockets are trapped`,
    );
    return true;
  }

  /** The member that a process of the server listens on once more. */
  #memberAt(tid: number, number: number, epoch: number): Fd | null {
    const inode = socketAt(tid, number);
    if (typeof inode !== "number") return null;
    return this.listeners.findMember(inode, epoch)?.member.heldUntilRetired ?? null;
  }

  settle({ call }: CallerDescriptor, socket: Fd, reply: CallReply): void {
    const { sockets, libc } = this.platform;
    const isLast = call.call === libc.arch.SYS_listen ||
      sockets.option(socket, C.SOL_SOCKET, C.SO_TYPE) === C.SOCK_DGRAM;
    // The socket is a member now, or its server's alone. After an error the server may try again.
    if (isLast && (reply === "done" || reply === "continue")) {
      this.held.release(proc.ownSocketInode(socket.number));
    }
  }

  look(epoch: number): void {
    this.#learned?.pass(epoch);
    this.held.look();
  }

  forget(epoch: number): void {
    this.#learned?.forget(epoch);
    this.held.releaseAll(epoch);
  }
}
