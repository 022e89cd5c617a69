/** The generation that a trapped call belongs to, as the adopter sees it. */
import type { Fd } from "../platform/fd.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import type { Group } from "../steering/group.ts";

/** What the interceptor needs to know about the generation that made a call. */
export interface ListenerOwner {
  readonly epoch: number;
  /** Crashed generation whose members it may take over. */
  readonly replacementOf: number | null;
  /** It has served for a while: what it opens now was not part of its start. */
  readonly isSettled: boolean;
  /** Whether a client's connection is the reason for process `pid`: what that opens goes with it. */
  isOfSession(pid: number): boolean;
  /** All its processes. */
  processes(): number[];
  /** A member of it listens. `caller` still waits: its descriptors can be replaced. */
  onListening(group: Group, caller: Caller): void;
  /** A call of it that was postponed can be answered: it is to be handled again. */
  onReleased(notify: Fd, notification: TrappedCall): void;
  /** It cannot be handed over to: fail it with this reason. */
  onConflict(reason: string): void;
  /** Something to say if it fails: "the port is held by ...". */
  onHint(text: string): void;
}

/** A process that waits in a call about one of its sockets. */
export interface ListenCaller extends Caller {
  readonly descriptor: number;
  /** Our duplicate. */
  readonly socket: Fd;
}

/** A process that waits in a trapped call. */
export interface Caller {
  readonly notify: Fd;
  readonly id: bigint;
  readonly pid: number;
}
