/** What a member of a reuseport group is, here and on its way to another baton. */
import type { InetAddress } from "../platform/network/address.ts";
import type { Fd } from "../platform/fd.ts";
import type { Watch } from "../platform/reactor.ts";
import type { MemberId } from "./kernel_array.ts";

/** What the kernel compares when it decides which group a socket belongs to. */
export interface GroupAddress extends InetAddress {
  readonly v6only: boolean;
  /** SO_BINDTODEVICE as an interface index, 0 = none. */
  readonly boundInterface: number;
}

/** The epoch of a member that no generation has. */
export const NO_GENERATION = -1;

/**
 * How a socket lives here that outlives this baton. `grouped` and `shared` belong to whoever started
 * baton (systemd), and are never closed for good: other sockets can join a grouped one, so it is that
 * of the first generation, and later where connections wait when the service ends; none can join a
 * shared one, so all generations have it (and there is no steering). `standby`: baton's own, kept in the
 * service manager's store for the next baton; connections wait in it when the service ends.
 */
export type SocketOrigin = "grouped" | "shared" | "standby";

/** One listening socket of one generation. */
export interface Member {
  readonly id: MemberId;
  /** Generation that accepts from it; changes only when an heir takes it over. */
  epoch: number;
  /** Our duplicate: keeps the socket and its queue alive. */
  readonly heldUntilRetired: Fd;
  readonly inode: number;
  /** Opened long after its generation began to serve (a debugger port): no successor must have it. */
  readonly late: boolean;
  /** Opened by a process that a client's connection was the reason for: it goes when that goes. */
  readonly ofSession?: boolean;
  /** It stays until the generation that serves now listens here too, or that is given up (late_listeners.ts). */
  standsIn?: boolean;
  /** Null: the socket is ours or the server's. */
  origin: SocketOrigin | null;
  /** Process that listened first; 0 when baton made the socket. */
  owner: number;
  /** No process of its generation has it open any more: the next listener gets it, queue and all. */
  unheld: boolean;
  /** Nobody needs it; closed as soon as that moves no receiving member. */
  dead: boolean;
  /** The kernel tells when somebody calls shutdown(2) on it. */
  readonly shutDownWatch: Watch | null;
}

/** A socket that is about to listen as a member. */
export interface NewMember extends Pick<Member, "epoch" | "owner" | "late" | "ofSession"> {
  readonly backlog: number;
  readonly origin?: "standby";
}

/** One member as it travels from one baton to another; its descriptor travels beside it. */
export interface MemberRecord {
  readonly epoch: number;
  readonly inode: number;
  readonly late: boolean;
  readonly owner: number;
  readonly unheld: boolean;
  readonly dead: boolean;
  readonly receiving: boolean;
  readonly origin: SocketOrigin | null;
  readonly ofSession?: boolean;
  readonly standsIn?: boolean;
}

/** Of the live members of one generation, those that get connections when it serves. */
export function usableOf(live: readonly Member[]): readonly Member[] {
  // A socket that baton made and the server does not use (it bound one itself) gets nothing, nor
  // does that of a worker that has died.
  const used = live.filter((member) => member.owner !== 0 && !member.unheld);
  return used.length > 0 ? used : live;
}

/** A member as it travels. */
export function recordOf(member: Member, receiving: boolean): MemberRecord {
  const { epoch, inode, late, origin, owner, unheld, dead } = member;
  const { ofSession = false, standsIn = false } = member;
  const rare = { ...ofSession && { ofSession }, ...standsIn && { standsIn } };
  return { epoch, inode, late, origin, owner, unheld, dead, receiving, ...rare };
}

/** What another baton relies on: the order of the kernel's array, and perhaps what is attached. */
export type Hold = "nothing" | "order" | "order and program";
