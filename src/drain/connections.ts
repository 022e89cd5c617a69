/**
 * The connections of each generation, from the kernel's socket table: without the server's help, and without counting in
 * the path of traffic. Whose a connection is says its tag, else /proc (attribution.ts).
 */
import { isAnyHost } from "../platform/network/address.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { canSeeDescriptors, socketInodesOf } from "../platform/process/proc.ts";
import { NO_TAG } from "../platform/network/socket_tag.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import type { UnixSocket } from "../platform/network/unix_diag.ts";
import type { GenerationTags } from "../steering/generation_tags.ts";
import type { GroupAddress, Member, UnixAddress } from "../steering/member.ts";
import { attribute, isAccepted } from "./attribution.ts";
import { judge, type Judgement } from "./classify.ts";
import { portsWithoutTls } from "./handshake.ts";
import { follow, type Track } from "./track.ts";

export interface ConnectionCounts {
  readonly total: number;
  /** An answer is owed or is being written, or bytes are in flight. */
  readonly busy: number;
  readonly idle: number;
  /** The server has sent last, a short time ago: it is unknown whether the answer is complete. */
  readonly undecided: number;
}

export const NO_CONNECTIONS: ConnectionCounts = { total: 0, busy: 0, idle: 0, undecided: 0 };

/** A port to look at; without a family: of both. */
type TcpPort =
  & Pick<GroupAddress, "port" | "protocol">
  & Partial<Pick<GroupAddress, "family" | "host">>;

/** Where a service listens, and how its connections are tagged; without members it is another program's service. */
export interface ServicePorts {
  readonly groups: readonly {
    /** A Unix socket has no port. */
    readonly address: TcpPort | UnixAddress;
    readonly members?: readonly Pick<Member, "inode" | "epoch" | "tag" | "place">[];
  }[];
  readonly tagging?: { readonly generations: GenerationTags };
}

export interface ConnectionOwner {
  readonly epoch: number;
  processes(): readonly number[];
}

/** The port at an address, and a key that tells it from others to the kernel's search; empty for a Unix socket. */
function tcpPortIn(address: TcpPort | UnixAddress): [key: string, TcpPort][] {
  if (!("port" in address) || address.protocol === "udp") return [];
  return [[`${address.family} ${address.port}`, address]];
}

/** @returns what says whether a connection came to one of these addresses */
function isAtOneOf(addresses: readonly TcpPort[]): (socket: Pick<TcpSocket, "local">) => boolean {
  const hosts = new Map<number, Set<string | undefined>>();
  for (const { host, port } of addresses) {
    const known = hosts.get(port) ?? new Set();
    hosts.set(port, known.add(isAnyHost(host ?? "") ? undefined : host));
  }
  return ({ local: { host, port } }) => {
    const known = hosts.get(port);
    return known !== undefined && (known.has(undefined) || known.has(host));
  };
}

export class SocketTable {
  readonly sockets: readonly TcpSocket[];
  readonly #tags: GenerationTags | null;
  readonly #isHere: (socket: TcpSocket) => boolean;
  /** Unix sockets of the whole machine, if the service has any. */
  readonly unix: readonly UnixSocket[];

  constructor(platform: Platform, { groups, tagging }: ServicePorts) {
    const ports = groups.flatMap(({ address, members = [] }) => {
      // Behind a front nothing listens at the public address.
      const places = members.flatMap(({ place }) => place ?? []);
      return (places.length > 0 ? places : [address]).flatMap(tcpPortIn);
    });
    this.#isHere = isAtOneOf(ports.map(([, address]) => address));
    const asked = Map.groupBy(new Map(ports).values(), ({ family }) => family);
    this.sockets = [...asked].flatMap(([family, addresses]) =>
      platform.sockDiag.tcpByLocalPorts(addresses.map(({ port }) => port), family)
    );
    const hasUnix = groups.some(({ address }) => "family" in address && address.family === "unix");
    this.unix = hasUnix ? platform.unixDiag.sockets() : [];
    this.#tags = tagging?.generations ?? null;
    this.#findSpoiled(groups);
  }

  /** Finds groups whose server has set the options of tags itself, on its listener. */
  #findSpoiled(groups: ServicePorts["groups"]): void {
    const members = new Map(
      groups.flatMap(({ members = [] }) => members.map((each) => [each.inode, each])),
    );
    for (const { state, inode, tag } of this.sockets) {
      const member = state === C.TCP_LISTEN ? members.get(inode) : undefined;
      if (member === undefined || tag === undefined || tag === member.tag) continue;
      this.#tags?.spoil(member.epoch, tag);
    }
  }

  get accepted(): readonly TcpSocket[] {
    return this.sockets.filter(isAccepted);
  }

  backlogOf(inode: number): number {
    const listener = this.sockets.find((s) => s.state === C.TCP_LISTEN && s.inode === inode) ??
      this.unix.find((s) => s.isListener && s.inode === inode);
    return listener?.receiveQueue ?? 0;
  }

  get backlog(): number {
    return this.sockets
      .filter(({ state }) => state === C.TCP_LISTEN)
      .reduce((sum, { receiveQueue }) => sum + receiveQueue, 0);
  }

  halfOpen(): Set<string> {
    return new Set(
      this.sockets
        .filter(({ state }) => state === C.TCP_SYN_RECV || state === C.TCP_NEW_SYN_RECV)
        .map(({ remote }) => `${remote.host} ${remote.port}`),
    );
  }

  /** Connections in any accept queue, by their two ends; a client that closes one does not remove it. */
  unaccepted(): Set<string> {
    return new Set(
      this.sockets
        .filter(isUnaccepted)
        .map(({ local, remote }) => `${local.host} ${local.port} ${remote.host} ${remote.port}`),
    );
  }

  /** Accepted connections of a generation. */
  connectionsOf(owner: ConnectionOwner): readonly TcpSocket[] {
    const { own, uncertain } = attribute(this.sockets, owner.epoch, this.#tags, this.#isHere);
    return uncertain.length === 0 ? own : [...own, ...openAmong(uncertain, owner.processes())];
  }

  /**
   * How many connections no process has yet, by their tag: in a queue, or between the handshake, the queue and
   * accept(2).
   */
  unacceptedOf(owner: Pick<ConnectionOwner, "epoch">): number {
    const tag = this.#tags?.of(owner.epoch) ?? NO_TAG;
    if (tag === NO_TAG || this.#tags?.isUncertain(tag) === true) return 0;
    return this.sockets.filter((socket) =>
      isUnaccepted(socket) && socket.tag === tag && this.#isHere(socket)
    ).length;
  }

  /** Whether connections of `epoch` are known by their tag. */
  isTagged({ epoch }: Pick<ConnectionOwner, "epoch">): boolean {
    return this.#tags !== null && this.#tags.of(epoch) !== NO_TAG;
  }

  /** Whether it can be seen what each of `pids` has open. */
  seesInto(pids: readonly number[]): boolean {
    return pids.every(canSeeDescriptors);
  }

  /** Accepted connections that one of `pids` has open. */
  openBy(pids: readonly number[]): TcpSocket[] {
    return openAmong(this.accepted, pids);
  }
}

function isUnaccepted({ inode, state }: Pick<TcpSocket, "inode" | "state">): boolean {
  return inode === 0 && (state === C.TCP_ESTABLISHED || state === C.TCP_CLOSE_WAIT);
}

function openAmong(sockets: readonly TcpSocket[], pids: readonly number[]): TcpSocket[] {
  const inodes = new Set(pids.flatMap((pid) => [...socketInodesOf(pid)]));
  return sockets.filter(({ inode }) => inodes.has(inode));
}

/** What several samples have shown of each connection, by inode. */
export class Tracks {
  readonly #tracks = new Map<number, Track>();

  get(inode: number): Track | null {
    return this.#tracks.get(inode) ?? null;
  }

  /** Adds a sample of all connections, and drops the tracks of those that are gone. */
  note(connections: readonly TcpSocket[], atMs: number): void {
    const found = new Set<number>();
    for (const connection of connections) {
      const { inode } = connection;
      if (inode === 0 || connection.state === C.TCP_LISTEN) continue;
      found.add(inode);
      const track = follow(this.get(inode), connection, atMs);
      if (track !== null) this.#tracks.set(inode, track);
    }
    for (const inode of this.#tracks.keys()) if (!found.has(inode)) this.#tracks.delete(inode);
  }

  /**
   * Notes an answer of the kernel about modes. @param interactive those of `inodes` that are in interactive mode now
   */
  noteModes(inodes: Iterable<number>, interactive: ReadonlySet<number>, atMs: number): void {
    for (const inode of inodes) {
      const track = this.get(inode);
      if (track === null) continue;
      const interactiveAtMs = interactive.has(inode) ? atMs : track.interactiveAtMs;
      this.#tracks.set(inode, { ...track, modeAskedAtMs: atMs, interactiveAtMs });
    }
  }
}

/** The connections in one sample, and the inodes of each kind. */
export interface Census {
  readonly counts: ConnectionCounts;
  readonly busy: ReadonlySet<number>;
  readonly undecided: ReadonlySet<number>;
  readonly blocking: ReadonlySet<number>;
  /** After this time none will block, if nothing moves; null: that is not known. */
  readonly waitMs: number | null;
}

/** @returns the processes of `pids` that owe an answer */
export function busyAmong(
  pids: readonly number[],
  table: SocketTable,
  quietMs: number,
): Set<number> {
  return new Set(
    pids.filter((pid) => takeCensus(table.openBy([pid]), quietMs).counts.busy > 0),
  );
}

/** @param tracks of the same connections, including this sample */
export function takeCensus(
  connections: readonly TcpSocket[],
  quietMs: number,
  tracks: Pick<Tracks, "get"> | null = null,
): Census {
  const plain = portsWithoutTls(connections);
  return censusOf(connections.map((connection) => {
    const { inode, local } = connection;
    const track = tracks?.get(inode) ?? null;
    return { inode, ...judge(connection, quietMs, track, plain.has(local.port)) };
  }));
}

interface JudgedConnection extends Judgement {
  readonly inode: number;
}

export function censusOf(connections: readonly JudgedConnection[]): Census {
  const found = {
    busy: new Set<number>(),
    undecided: new Set<number>(),
    blocking: new Set<number>(),
  };
  let idle = 0;
  let longestMs: number | null = 0;
  for (const { inode, activity, blocksDrain, waitMs } of connections) {
    if (activity === "idle") idle++;
    if (activity === "busy" || activity === "undecided") found[activity].add(inode);
    if (!blocksDrain) continue;
    found.blocking.add(inode);
    longestMs = latest(longestMs, waitMs ?? null);
  }
  const [busy, undecided] = [found.busy.size, found.undecided.size];
  const counts = { total: busy + idle + undecided, busy, idle, undecided };
  return { ...found, counts, waitMs: longestMs };
}

/** @returns the later of two times; null: not known */
function latest(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : Math.max(one, other);
}

/** Joins censuses of different connections. */
export function joinCensuses(a: Census, b: Census): Census {
  const [one, other] = [a.counts, b.counts];
  return {
    busy: a.busy.union(b.busy),
    undecided: a.undecided.union(b.undecided),
    blocking: a.blocking.union(b.blocking),
    waitMs: latest(a.waitMs, b.waitMs),
    counts: {
      total: one.total + other.total,
      busy: one.busy + other.busy,
      idle: one.idle + other.idle,
      undecided: one.undecided + other.undecided,
    },
  };
}
