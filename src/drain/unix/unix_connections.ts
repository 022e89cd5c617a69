/**
 * The connections of a generation to its Unix sockets. Each generation has a node of its own, and its connections keep that
 * node's number (platform/network/unix_diag.ts): no process need be looked at. Only where several generations have one
 * listener it is who has the connection open that tells.
 */
import type { UnixSocket } from "../../platform/network/unix_diag.ts";
import { socketInodesOf } from "../../platform/process/proc.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { Member } from "../../steering/member.ts";
import { type Census, censusOf } from "../connections.ts";
import { judgeUnix } from "./unix_judgement.ts";

/** The listeners of one generation at one look. */
interface UnixListeners {
  readonly own: readonly number[];
  /** Listeners from which other generations accept, too. */
  readonly shared: readonly number[];
}

interface UnixLook {
  readonly atMs: number;
  /** For how long an open connection with empty queues is waited for. */
  readonly patienceMs: number;
  processes(): readonly number[];
}

/** The listeners of `epoch` at Unix sockets, by the inodes of the sockets. */
export function unixListenersOf(
  listeners: Pick<Listeners, "groupsOf">,
  epoch: number,
): UnixListeners {
  const groups = listeners.groupsOf(epoch).filter(({ address }) => address.family === "unix");
  const inodes = (isShared: boolean) =>
    groups.filter((group) => group.isShared === isShared)
      .flatMap((group) => group.membersOf(epoch).map(({ inode }: Member) => inode));
  return { own: inodes(false), shared: inodes(true) };
}

export class UnixConnections {
  /** What the connections of a listener have in common, by its inode: it may be shut down and not shown any more. */
  readonly #origins = new Map<number, string>();
  /** Client ends, by inode: whether a process of the generation has it. */
  readonly #isOwnPeer = new Map<number, boolean>();
  /** Since when every look has found the queues of a connection empty. */
  #quietSince = new Map<number, number>();

  look(sockets: readonly UnixSocket[], listeners: UnixListeners, look: UnixLook): Census {
    const all = this.#connectionsOf(sockets, listeners, look);
    const connections = this.#withoutInternal(all, look);
    const { atMs, patienceMs } = look;
    const quietSince = new Map(connections.map(({ inode, receiveQueue, sendQueue }) => {
      const isQuiet = receiveQueue + sendQueue === 0;
      return [inode, isQuiet ? this.#quietSince.get(inode) ?? atMs : atMs];
    }));
    this.#quietSince = quietSince;
    return censusOf(connections.map((connection) => {
      const { inode } = connection;
      return { inode, ...judgeUnix(connection, atMs - quietSince.get(inode)!, patienceMs) };
    }));
  }

  /**
   * Leaves out what processes of the generation say to each other: it ends with the generation, and is no client's.
   * They are looked into once for each such connection, and only where it would be waited for with nothing in its
   * queues.
   */
  #withoutInternal(connections: readonly UnixSocket[], { processes }: UnixLook): UnixSocket[] {
    const quietPeer = ({ peer, receiveQueue, sendQueue }: UnixSocket) =>
      receiveQueue + sendQueue === 0 ? peer || null : null;
    const unknown = connections.map(quietPeer)
      .filter((peer) => peer !== null && !this.#isOwnPeer.has(peer)) as number[];
    if (unknown.length > 0) {
      const own = new Set(processes().flatMap((pid) => [...socketInodesOf(pid)]));
      for (const peer of unknown) this.#isOwnPeer.set(peer, own.has(peer));
    }
    return connections.filter((each) => this.#isOwnPeer.get(quietPeer(each) ?? 0) !== true);
  }

  #connectionsOf(
    sockets: readonly UnixSocket[],
    listeners: UnixListeners,
    look: Pick<UnixLook, "processes">,
  ): UnixSocket[] {
    for (const socket of sockets) {
      const origin = originOf(socket);
      if (socket.isListener && origin !== null) this.#origins.set(socket.inode, origin);
    }
    const originsOf = (inodes: readonly number[]) =>
      new Set(inodes.flatMap((inode) => this.#origins.get(inode) ?? []));
    const [own, shared] = [originsOf(listeners.own), originsOf(listeners.shared)];
    const held = shared.size === 0
      ? new Set<number>()
      : new Set(look.processes().flatMap((pid) => [...socketInodesOf(pid)]));
    return sockets.filter((socket) => {
      const origin = originOf(socket);
      if (socket.isListener || origin === null) return false;
      return own.has(origin) || (shared.has(origin) && held.has(socket.inode));
    });
  }
}

/**
 * What tells a listener's connections from others: its node, which no other socket has; or its name where there is no
 * node (an abstract name, or a kernel that shows none).
 */
function originOf({ node, name }: UnixSocket): string | null {
  return node ?? name;
}
