/**
 * Adopt: a server's own listening sockets become members, with nothing changed in the server. The launcher's filter
 * reports `bind` (right_to_bind.ts) and `listen` (adopt_listen.ts) of the whole process tree; the calling thread waits
 * while the `Adopter` answers. UDP, Unix and netlink sockets, port 0 and unbound sockets are left alone.
 *
 * seccomp_unotify(2) warns that memory read from the caller may change: here that only hurts the caller itself.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { CallOutcome, TrappedCall } from "../platform/process/seccomp.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import { adoptListen } from "./adopt_listen.ts";
import { findCallerSocket } from "./caller_socket.ts";
import type { AdoptContext, CallReply, ListenerOwner } from "./listener_owner.ts";
import { adoptBind } from "./right_to_bind.ts";

interface PostponedCall {
  readonly notify: Fd;
  readonly call: TrappedCall;
  readonly owner: ListenerOwner;
}

export class Adopter implements AdoptContext {
  readonly ephemeral = new Set<number>();
  readonly trap: readonly number[];
  #postponed: PostponedCall[] = [];
  #refusesNewMembers = false;

  /** @param onMemberNeeded a call waits for a member of a group that only the predecessor can add to */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly onMemberNeeded: (group: Group) => void,
  ) {
    const { SYS_bind, SYS_listen } = platform.libc.arch;
    this.trap = [SYS_bind, SYS_listen];
  }

  /**
   * Answers a call, whatever happens: without an answer its thread hangs forever. A postponed call comes back through
   * `owner.answer`.
   * @throws what went wrong, after the call was let through
   */
  handle(notify: Fd, call: TrappedCall, owner: ListenerOwner): CallOutcome {
    let reply: CallReply = "continue";
    try {
      reply = this.#replyTo(notify, call, owner);
    } finally {
      this.#send(notify, call, reply);
    }
    if (reply !== "postpone") return "answered";
    this.#postponed.push({ notify, call, owner });
    return "postponed";
  }

  #replyTo(notify: Fd, trapped: TrappedCall, owner: ListenerOwner): CallReply {
    // kill(2) of a generation that an earlier baton started, as a candidate.
    if (!this.trap.includes(trapped.call)) return "continue";
    const call = findCallerSocket(this.platform, notify, trapped, owner);
    if (call === null) return "continue";
    using _socket = call.socket;
    const { SYS_bind, SYS_listen } = this.platform.libc.arch;
    if (trapped.call === SYS_bind) return adoptBind(this, call, owner);
    return trapped.call === SYS_listen ? adoptListen(this, call, owner) : "continue";
  }

  #send(notify: Fd, { id }: TrappedCall, reply: CallReply): void {
    const { seccomp } = this.platform;
    if (reply === "continue") seccomp.continue(notify, id);
    else if (reply === "done") seccomp.answer(notify, id, 0);
    else if (reply !== "postpone") seccomp.refuse(notify, id, reply.errno);
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
