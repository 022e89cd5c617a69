/** The generation that a trapped call belongs to, the callers of its sockets, and which members it still has open. */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import { overlaps } from "../steering/group_address.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { GroupAddress, Member } from "../steering/member.ts";
import type { UnseenBinds } from "./duplicates/unseen_bind.ts";
import type { BoundPaths } from "./unix/bound_paths.ts";
import type { LeftDatagrams } from "./datagrams/left_datagrams.ts";

export interface AdoptContext {
  readonly platform: Platform;
  /** What is done with UDP sockets (--udp). */
  readonly udp: "leave" | "switch";
  /** UDP sockets that are not handed over. */
  readonly leftDatagrams: LeftDatagrams;
  readonly listeners: Listeners;
  /** Whether Unix sockets with a path are handed over. */
  readonly followsPaths: boolean;
  /** Patterns of abstract names of which each generation has its own (--private-socket). */
  readonly privateNames: readonly string[];
  /** Unix sockets that are bound, and do not listen yet. */
  readonly bound: BoundPaths;
  /** Inodes of sockets bound to port 0 that could be taken for ours when they listen. */
  readonly ephemeral: Set<number>;
  readonly unseenBinds: UnseenBinds;
  /** What becomes of a call that needs a member of a group that only another baton can add to. */
  replyWhenFrozen(group: Group): CallReply;
}

/** What adopting needs of the generation that made a call. */
export interface ListenerOwner {
  readonly epoch: number;
  /** Its number in the generation. */
  readonly worker: number;
  /**
   * Whether the worker starts in a generation that has passed its gate: it gets no connection before it has passed a
   * gate of its own.
   */
  readonly isRising: boolean;
  /** Crashed generation whose members it may take over. */
  readonly replacementOf: number | null;
  /**
   * Whether the clients in the crashed generation's queues come when it has passed its gate
   * (migration/waiting_clients.ts).
   */
  readonly queueComesLater: boolean;
  /** Its leading process; null when that has ended. */
  readonly leader: number | null;
  /** When it had passed its gate, in the unit of process start times; 0: it has not. */
  readonly readyTicks: number;
  /** When it had served for a while; 0: it has not. */
  readonly settledTicks: number;
  processes(): number[];
  /** A member of the worker listens. `caller` still waits: its descriptors can be replaced. */
  onListening(group: Group, caller: Caller): void;
  /** A postponed call can be answered now. */
  answer(notify: Fd, call: TrappedCall): void;
  /** The worker calls listen(2) on a socket of another generation. @returns whether it has failed with that */
  refusesPassed(inode: number): boolean;
  /** The candidate fails because its server hands over by itself. */
  onOwnHandoff(program: string, what: string): void;
  /** The candidate's listeners cannot be handed over: it fails with this reason. */
  onConflict(reason: string): void;
  /** Something to say if the candidate fails: "the port is held by ...". */
  onHint(text: string): void;
}

/** A process that waits in a trapped call. */
export interface Caller {
  readonly notify: Fd;
  readonly id: bigint;
  readonly pid: number;
}

/** The kinds of sockets that baton can hand over. */
export type SocketProtocol = "tcp" | "udp" | "unix-stream" | "unix-seqpacket" | "unix-datagram";

/** A trapped call about a socket. */
export interface SocketCall extends Caller {
  readonly tid: number;
  readonly args: readonly bigint[];
  /** The caller's number for the socket. */
  readonly descriptor: number;
  /** Our duplicate, closed once the call is answered. */
  readonly socket: Fd;
  readonly protocol: SocketProtocol;
}

/** The kernel carries the call out; baton did; it waits for `Adopter.retryPostponed`; or it fails. */
export type CallReply = "continue" | "done" | "postpone" | { readonly errno: number };

/** A connect(2) that baton carries out: where the caller's socket is to be connected to. */
export interface OwnConnect {
  readonly connectTo: string;
}

/**
 * What a new member of `owner` is marked with.
 * @param pid the process that accepts from it; 0: none does yet
 */
export function ownedBy(
  { epoch, worker, isRising }: Pick<ListenerOwner, "epoch" | "worker" | "isRising">,
  pid: number,
): Pick<Member, "epoch" | "worker" | "aside" | "owner"> {
  return { epoch, worker, aside: isRising, owner: pid };
}

/** Whether a process of the worker has a socket of `group` open. */
export function holdsSocketOf(
  group: Group,
  owner: Pick<ListenerOwner, "epoch" | "worker" | "processes">,
): boolean {
  const { epoch, worker } = owner;
  if (group.membersOf(epoch, worker).length === 0) return false;
  refreshSocketHolders([group], owner);
  return group.membersOf(epoch, worker).some((member) => member.owner !== 0 && !member.unheld);
}

/** Whether a process of the same generation listens at `wanted`, or at an address that overlaps. */
export function isTaken(
  listeners: Listeners,
  wanted: GroupAddress,
  owner: Pick<ListenerOwner, "epoch" | "worker" | "processes">,
): boolean {
  return listeners.groupsOf(owner.epoch)
    .some((group) => overlaps(group.address, wanted) && holdsSocketOf(group, owner));
}

/** Clients have been waiting in it since before the generation listened, which has not passed its gate. */
export function isAwaited(
  group: Group,
  member: Member,
  { replacementOf, readyTicks }: Pick<ListenerOwner, "replacementOf" | "readyTicks">,
): boolean {
  return replacementOf !== null && readyTicks === 0 && group.isReceiving(member);
}

/**
 * Marks members that no process has open. The kernel does not report a close(2), so /proc is searched: once for all
 * `groups`, since a server with hundreds of listeners has as many descriptors.
 */
export function refreshSocketHolders(
  groups: readonly Group[],
  owner: Pick<ListenerOwner, "epoch" | "worker" | "processes">,
): void {
  const pids = owner.processes();
  if (pids.length === 0 || !pids.every(proc.canSeeDescriptors)) return;
  const looked = groups.flatMap((group) =>
    group.membersOf(owner.epoch, owner.worker)
      .filter(({ unheld, owner }) => !unheld && owner !== 0)
      .map((member) => ({ group, member }))
  );
  const wanted = looked.map(({ member }) => member.inode);
  const held = new Set(pids.flatMap((pid) => [...proc.socketInodesOf(pid, wanted)]));
  for (const { group, member } of looked) if (!held.has(member.inode)) group.markUnheld(member);
}
