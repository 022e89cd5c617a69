/** A member of a reuseport group, in this process and as it travels to another baton. */
import type { InetAddress } from "../platform/network/address.ts";
import type { Fd } from "../platform/fd.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import type { Reactor, Watch } from "../platform/reactor.ts";
import type { MemberId } from "./kernel_array.ts";
import type { Spread } from "./spread/spread.ts";
import type { Tagging } from "./tagging.ts";

/** What all groups of a service have in common. */
export interface GroupContext {
  readonly sockets: Sockets;
  /** Reports at once when a server shuts a member down; null: only `findShutDown` does. */
  readonly reactor: Reactor | null;
  /** Called before the kernel's array changes; a new member is then in `members`. */
  readonly beforeChange: () => void;
  /**
   * The generation that was switched to last, until the service ends: listeners that it opens get connections at
   * once. Null: another baton steers, or no generation has served.
   */
  readonly servingEpoch: number | null;
  readonly tagging: Tagging;
  /** How new connections are spread over receiving members; null: at random. */
  readonly spread: Spread | null;
  /** Binds listeners to private addresses; null: no proxy is in front of the service (--front). */
  readonly privateAddresses?: { boundSocket(address: GroupAddress, epoch: number): Fd } | null;
  /** Called when what that proxy has to dial may have changed (front/endpoints.ts). */
  readonly onFrontChange?: (() => void) | null;
  /** Called when a connection waits at a member whose watch was armed for that, or when the member was shut down. */
  readonly onWaiting?: ((member: Member) => void) | null;
}

/** What the kernel compares when it decides which group a socket belongs to. */
export interface GroupAddress extends InetAddress {
  /** The protocol; missing: TCP. */
  readonly protocol?: "udp";
  readonly v6only: boolean;
  /** The public address of members that have private ones (--front). Missing: they listen here. */
  readonly front?: true;
  /** SO_BINDTODEVICE as an interface index, 0 = none. */
  readonly boundInterface: number;
}

/** A path at which the service is reached. Two are the same if directory and name are (unix/path_members.ts). */
export interface UnixAddress {
  readonly family: "unix";
  readonly type: UnixType;
  /** The directory, without links, as this process sees it. */
  readonly directory: string;
  /** Its device and inode: a path that leads there by other links is the same address. */
  readonly directoryKey: string;
  /** The last component of the path. */
  readonly name: string;
}

type UnixType = "stream" | "packets";

/** Where a service is reached. */
export type ListenAddress = GroupAddress | UnixAddress;

/** Where in the directory of its address a Unix socket can be reached. */
export interface UnixNode {
  /** Present name; null: it has none any more. */
  name: string | null;
  /** Device and inode of the node, not of the socket: what tells whose node is at a name. */
  readonly key: string;
  /** What getsockname(2) says. A server may use it to remove or change "its" path. */
  readonly bound: string;
  /** The path as the server has named it, where baton has bound it under another name. */
  readonly asked?: string;
  /** Baton has bound it for a server, and so the public name goes with it. */
  isBatons?: boolean;
}

/** The epoch of a member that no generation has. */
export const NO_GENERATION = -1;

/** The epoch of members in which connections wait for a generation that starts when the present one has exited. */
export const HELD = -2;

/**
 * Where a socket that outlives this baton comes from. `grouped` and `shared` belong to the service manager (systemd)
 * and are never shut down. Other sockets can join a `grouped` one: the first generation gets it, and connections wait
 * in it when the service ends. None can join a `shared` one, so all generations have it, without steering. `standby`:
 * baton's own, kept in the manager's store for the next baton; connections wait in it when the service ends.
 */
type SocketOrigin = "grouped" | "shared" | "standby";

export interface Member {
  readonly id: MemberId;
  /** Generation that accepts from it; changes only when a replacement takes it over. */
  epoch: number;
  /** The worker of that generation; 0 where it has one. */
  worker: number;
  /** Whether its worker starts, or drains: then it gets nothing while others of its generation can. */
  aside?: boolean;
  /** The tag of connections that come now: that of `epoch`, once a process accepts here (tagging.ts). */
  tag: number;
  /** Our duplicate: keeps the socket and its queue alive. */
  readonly heldUntilRetired: Fd;
  readonly inode: number;
  /** Opened after its generation had passed its gate (a debugger's port): no successor must have it for its own gate. */
  readonly late: boolean;
  /** Opened by a process that came after the gate, below one that listens: given up when that process goes. */
  readonly passing?: boolean;
  /** As `passing`, and long after its generation began to serve: no successor is expected to open it. */
  readonly ofSession?: boolean;
  /**
   * Whether it stays until the serving generation listens here too, or baton stops waiting for that
   * (late_listeners.ts).
   */
  standsIn?: boolean;
  /** The deaf generation whose queue it was (`Listeners.lend`); of no meaning once another one serves. */
  lentBy?: Pick<Member, "epoch" | "owner">;
  /** Where a socket that outlives this baton comes from; null: the socket is ours or the server's. */
  origin: SocketOrigin | null;
  /** Process that listened first; 0 when baton made the socket. */
  owner: number;
  /** No process of its generation has it open any more: the next listener gets it, queue and all. */
  unheld: boolean;
  /** Not needed any more: closed as soon as that moves no receiving member. */
  dead: boolean;
  /** Fires when a process calls shutdown(2) on it, and, armed for that, when a connection waits in its queue. */
  readonly shutDownWatch: Watch | null;
  /** The node of a Unix socket. */
  readonly node?: UnixNode;
  /** Where it listens, if that is a private address (--front). */
  readonly place?: InetAddress;
}

/** A socket that is about to listen as a member. */
export interface NewMember
  extends Pick<Member, "epoch" | "owner" | "late" | "passing" | "ofSession"> {
  readonly worker?: number;
  readonly aside?: boolean;
  readonly backlog: number;
  readonly origin?: "standby" | null;
  /** A UDP socket: it gets nothing until it is known not to be for one client (`Group.admitLate`). */
  readonly waits?: boolean;
  /** A held queue: the generation that is to get it. */
  readonly heldFor?: number | null;
}

/** A socket that listens already, and becomes a member. */
export interface ListeningSocket extends Pick<Member, "epoch" | "node"> {
  readonly origin: SocketOrigin;
  readonly worker?: number;
}

/** One member as it travels from one baton to another; its descriptor travels beside it. */
export interface MemberRecord extends Readonly<Omit<Member, InThisProcess | "worker">> {
  /** Number of its worker; missing: 0. */
  readonly worker?: number;
  readonly receiving: boolean;
}

type InThisProcess = "id" | "tag" | "heldUntilRetired" | "shutDownWatch" | "lentBy" | "place";

/** @returns those of the live members of one generation that get connections when it serves */
export function usableOf(live: readonly Member[]): readonly Member[] {
  // A socket that baton made and the server does not use (it bound one itself) gets nothing, nor
  // does that of a worker that has died.
  const used = live.filter((member) => member.owner !== 0 && !member.unheld);
  const ready = used.filter(({ aside = false }) => !aside);
  return ready.length > 0 ? ready : used.length > 0 ? used : live;
}

/** @returns who gets the next connections, of those that receive, and `member`, at which a process accepts now */
export function withMember(member: Member, receiving: readonly Member[]): readonly Member[] {
  // Members that wait for a process get nothing new once a process accepts here.
  const others = receiving.filter((each) => each !== member && !each.unheld && !each.aside);
  return member.aside && others.length > 0 ? others : [...others, member];
}

/**
 * @returns the members that get the connections when none that received is alive: those of the serving generation, or
 * the newest
 */
export function successorsAmong(
  members: readonly Member[],
  isReceiving: (member: Member) => boolean,
  serving: number | null,
): readonly Member[] {
  // With no serving generation the service ends: draining ones get nothing new.
  if (serving === null) return [];
  const alive = members.filter(({ dead }) => !dead);
  if (alive.some(isReceiving)) return [];
  const usable = (of: number) => usableOf(alive.filter(({ epoch }) => epoch === of));
  const ofServing = usable(serving);
  const epochs = alive.map(({ epoch }) => epoch).filter((epoch) => epoch !== NO_GENERATION);
  if (ofServing.length > 0 || epochs.length === 0) return ofServing;
  return usable(Math.max(...epochs));
}

export function recordOf(member: Member, receiving: boolean): MemberRecord {
  const { epoch, inode, late, origin, owner, unheld, dead } = member;
  const { passing = false, ofSession = false, standsIn = false } = member;
  const { aside = false, worker } = member;
  const rare = {
    ...worker > 0 && { worker },
    ...aside && { aside },
    ...passing && { passing },
    ...ofSession && { ofSession },
    ...standsIn && { standsIn },
    ...member.node && { node: { ...member.node } },
  };
  return { epoch, inode, late, origin, owner, unheld, dead, receiving, ...rare };
}

/** What another baton relies on: the order of the kernel's array, and perhaps what is attached. */
export type Hold = "nothing" | "order" | "order and program";

type Records = { readonly record: MemberRecord; readonly fd: Fd }[];

/**
 * @returns the records for a baton that takes over, which makes standby sockets of its own: ours can go when we exit
 */
export function recordsForAnother({ records }: { readonly records: Records }): Records {
  return records.map(({ record, fd }) => {
    if (record.origin !== "standby" || record.epoch !== NO_GENERATION) return { record, fd };
    return { record: { ...record, origin: null, dead: true }, fd };
  });
}
