/**
 * The seam *where does the duplicate of a server's socket come from*. What is done with it (right_to_bind.ts,
 * adopt_listen.ts) is the same for all sources.
 */
import type { Fd } from "../../platform/fd.ts";
import type { CallRule } from "../../platform/process/call_filter.ts";
import type { TrappedCall } from "../../platform/process/seccomp.ts";
import type { CallReply, ListenerOwner } from "../listener_owner.ts";

/** A descriptor of a process that waits in a trapped call. */
export interface CallerDescriptor {
  readonly notify: Fd;
  readonly call: TrappedCall;
  readonly pid: number;
  /** The caller's number. */
  readonly descriptor: number;
}

export interface DuplicateSource {
  /** Calls that a filter has to report for this source, besides bind(2) and listen(2). */
  readonly rules: readonly CallRule[];
  /** The calls to report in the generation that starts now. */
  rulesFor(epoch: number): readonly CallRule[];
  /** Why no generation can do without the trap from now on; null: not that. */
  readonly unsuited: string | null;
  /** Whether sockets of `epoch` are replaced when they are bound, by what was learned from earlier generations. */
  isReplacing(epoch: number): boolean;
  /** Numbers of calls in `rules` that need no decision once a generation has passed its gate. */
  readonly passing: readonly number[];
  /** @returns a new duplicate, which is the caller's to close; null: it is not a socket that baton hands over, or is gone */
  duplicate(of: CallerDescriptor, owner: ListenerOwner): Fd | null;
  /** Whether it is a call of `rules` that needs no decision: it continues at once. */
  mayPass(call: TrappedCall, owner: ListenerOwner): boolean;
  /** Answers a call of `rules`. */
  handle(notify: Fd, call: TrappedCall, owner: ListenerOwner): CallReply | "answered";
  /** A bind or listen has been answered. */
  settle(of: CallerDescriptor, socket: Fd, reply: CallReply): void;
  /** A generation has passed its gate: what is not a listener by now is not needed. */
  look(epoch: number): void;
  /** The generation has ended. */
  forget(epoch: number): void;
}
