/**
 * Adopt: a server's own listening sockets become members, with nothing changed in the server. The launcher's filter
 * reports `bind` (right_to_bind.ts) and `listen` (adopt_listen.ts) of the whole process tree; the calling thread waits
 * while the `Adopter` answers; of UDP sockets the bind is all there is (datagrams/adopt_datagrams.ts), and of Unix
 * sockets it begins and ends with calls that name paths (unix/own_paths.ts). Netlink sockets, port 0 and unbound sockets
 * are left alone.
 *
 * seccomp_unotify(2) warns that memory read from the caller may change: here that only hurts the caller itself.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { CallRule } from "../platform/process/call_filter.ts";
import type { CallOutcome, TrappedCall } from "../platform/process/seccomp.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import { adoptSocket, adoptUnseen } from "./adopt_socket.ts";
import { connectCaller, findCallerSocket } from "./caller_socket.ts";
import { answerDeathSignal, deathSignalRule } from "./calls/death_signal.ts";
import type { DuplicateSource } from "./duplicates/source.ts";
import { LeftDatagrams } from "./datagrams/left_datagrams.ts";
import type { AdoptContext, CallReply, ListenerOwner } from "./listener_owner.ts";
import { UnseenBinds } from "./duplicates/unseen_bind.ts";
import { OwnPaths } from "./unix/own_paths.ts";

interface PostponedCall {
  readonly notify: Fd;
  readonly call: TrappedCall;
  readonly owner: ListenerOwner;
}

interface AdopterOptions {
  readonly source: DuplicateSource;
  readonly udp: AdoptContext["udp"];
  /** All generations have the one socket of an abstract Unix name (--unix-shared). */
  readonly sharesAbstract: boolean;
  readonly privateNames: AdoptContext["privateNames"];
  /** Unix sockets with a path are handed over: calls that name paths are trapped. */
  readonly followsPaths: boolean;
  /** Whether servers outlive baton: then they get no signal at its death. */
  readonly outlives: boolean;
}

export class Adopter implements AdoptContext {
  readonly ephemeral = new Set<number>();
  readonly unseenBinds: UnseenBinds;
  readonly leftDatagrams = new LeftDatagrams();
  readonly bound: AdoptContext["bound"];
  readonly #paths: OwnPaths;
  readonly udp: AdoptContext["udp"];
  readonly followsPaths: boolean;
  readonly privateNames: AdoptContext["privateNames"];
  readonly source: DuplicateSource;
  /** Calls to trap besides those about sockets. */
  readonly #others: readonly CallRule[];
  #postponed: PostponedCall[] = [];
  #refusesNewMembers = false;

  /**
   * @param source where duplicates of the servers' sockets come from
   * @param onMemberNeeded a call waits for a member of a group that only the predecessor can add to
   */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    { source, udp, sharesAbstract, privateNames, followsPaths, outlives }: AdopterOptions,
    readonly onMemberNeeded: (group: Group) => void,
  ) {
    this.source = source;
    this.udp = udp;
    this.privateNames = privateNames;
    this.unseenBinds = new UnseenBinds(platform.sockets);
    this.#paths = new OwnPaths(platform, listeners, sharesAbstract);
    this.bound = this.#paths.bound;
    this.#others = [
      ...followsPaths ? this.#paths.rules : [],
      ...outlives ? [deathSignalRule(platform.libc.arch)] : [],
    ];
    this.followsPaths = followsPaths;
  }

  /**
   * Calls to trap in a generation that starts now.
   * @param isRising it is for one more worker of a generation that serves
   */
  trapFor(epoch: number, isRising = false): readonly CallRule[] {
    const { SYS_bind, SYS_listen } = this.platform.libc.arch;
    const { source } = this;
    const isAsFirst = isRising && !source.isReplacing(epoch);
    const rules = isAsFirst ? source.rules : source.rulesFor(epoch);
    return [SYS_bind, SYS_listen, ...rules, ...this.#others];
  }

  /**
   * Whether a call continues without a decision: it names no path of the service, or makes a client's socket. With
   * --survive it is not written down first: that takes a millisecond, and there may be thousands in a second.
   */
  mayPass(call: TrappedCall, owner: ListenerOwner): boolean {
    return this.#paths.mayPass(call) || this.source.mayPass(call, owner);
  }

  /**
   * Answers a call, whatever happens: without an answer its thread hangs forever. A postponed call comes back through
   * `owner.answer`.
   * @throws what went wrong, after the call was let through
   */
  handle(notify: Fd, call: TrappedCall, owner: ListenerOwner): CallOutcome {
    let reply: CallReply | "answered" = "continue";
    try {
      reply = this.#replyTo(notify, call, owner);
    } finally {
      this.#send(notify, call, reply);
    }
    this.#paths.update();
    if (reply !== "postpone") return "answered";
    this.#postponed.push({ notify, call, owner });
    return "postponed";
  }

  #replyTo(notify: Fd, trapped: TrappedCall, owner: ListenerOwner): CallReply | "answered" {
    const { SYS_bind, SYS_listen, SYS_kill, SYS_prctl } = this.platform.libc.arch;
    const { call: number } = trapped;
    // kill(2) of a generation that an earlier baton started, as a candidate.
    if (number === SYS_kill) return "continue";
    if (number === SYS_prctl) return answerDeathSignal(trapped, owner);
    if (number !== SYS_bind && number !== SYS_listen) {
      const reply = this.#paths.handle(trapped, owner);
      if (reply !== null && typeof reply === "object" && "connectTo" in reply) {
        return connectCaller(this.platform, this.source, { notify, call: trapped }, owner, reply);
      }
      return reply ?? this.source.handle(notify, trapped, owner);
    }
    const call = findCallerSocket(this.platform, this.source, { notify, call: trapped }, owner);
    if (call === null) return number === SYS_bind ? adoptUnseen(this, trapped) : "continue";
    using socket = call.socket;
    let reply: CallReply = "continue";
    try {
      reply = adoptSocket(this, call, owner, number === SYS_bind);
    } finally {
      const { pid, descriptor } = call;
      this.source.settle({ notify, call: trapped, pid, descriptor }, socket, reply);
    }
    return reply;
  }

  #send(notify: Fd, { id }: TrappedCall, reply: CallReply | "answered"): void {
    const { seccomp } = this.platform;
    if (reply === "continue") seccomp.continue(notify, id);
    else if (reply === "done") seccomp.answer(notify, id, 0);
    else if (typeof reply === "object") seccomp.refuse(notify, id, reply.errno);
  }

  replyWhenFrozen(group: Group): CallReply {
    if (this.#refusesNewMembers) return { errno: C.EADDRINUSE };
    this.onMemberNeeded(group);
    return "postpone";
  }

  /** Another baton has taken over: what our generations would add to its groups is refused. */
  refuseNewMembers(): void {
    this.#refusesNewMembers = true;
    this.retryPostponed();
  }

  /** The other baton has exited, and this one is not replaced any more. */
  acceptNewMembers(): void {
    this.#refusesNewMembers = false;
    this.retryPostponed();
  }

  /** No other baton steers any more: answers the calls that have waited for that and whose filter still exists. */
  retryPostponed(): void {
    const postponed = this.#postponed;
    this.#postponed = [];
    for (const { notify, call, owner } of postponed) {
      if (notify.isOpen) owner.answer(notify, call);
    }
  }
}
