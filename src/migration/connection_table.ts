/**
 * The connections of a generation that is being replaced, and which process has each open.
 *
 * Baton reaches them through duplicates that it closes at once: a lasting duplicate would keep a connection alive that
 * the server has closed.
 */
import { orNull, SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { Member } from "../steering/member.ts";
import type { ConnectionState } from "./connection_state.ts";
import type { OldDescriptor } from "./in_flight.ts";
import { letAnswer, resume, type Sample } from "./sample.ts";

/** Baton or the machine is short of descriptors: that says nothing about the connection. */
const SHORTAGE = ["EMFILE", "ENFILE", "ENOMEM"];

export interface TrackedConnection {
  readonly inode: number;
  oldDescriptor: OldDescriptor;
  readonly socket: TcpSocket;
  /** Its state; null: it was not paused in this attempt yet. */
  state: ConnectionState | null;
  sample: Sample | null;
  /** Baton holds its answers back (sample.ts). */
  isCorked: boolean;
  /** `ConnectionState.evidence` of an earlier attempt. */
  evidence: number;
  /** SO_COOKIE, unique to this socket; null until the first duplicate. */
  cookie: bigint | null;
}

export class ConnectionTable {
  readonly #connections = new Map<number, TrackedConnection>();
  /** Inodes of connections whose answers were held back when their process closed them: another one may have them open. */
  readonly #lost = new Set<number>();
  totalSeen = 0;
  readonly #pidfds = new Map<number, Fd>();

  /** @param processes those of the generation */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly processes: () => readonly number[],
  ) {}

  get size(): number {
    return this.#connections.size;
  }

  get connections(): TrackedConnection[] {
    return [...this.#connections.values()];
  }

  /** Reads from the kernel which process has which connection open now. */
  refresh(): void {
    const { ports } = this.listeners;
    const sockets = this.platform.sockDiag.tcpByLocalPorts(ports);
    const established = sockets.filter(({ state }) => state === C.TCP_ESTABLISHED);
    const byInode = new Map(established.map((socket) => [socket.inode, socket]));
    const found = new Set<number>();
    for (const pid of this.processes()) {
      for (const [inode, descriptor] of proc.socketDescriptorsOf(pid)) {
        const socket = byInode.get(inode);
        if (socket === undefined) continue;
        found.add(inode);
        const oldDescriptor = { pid, descriptor, target: `socket:[${inode}]` };
        const known = this.#connections.get(inode);
        if (known !== undefined) {
          known.oldDescriptor = oldDescriptor;
          continue;
        }
        this.totalSeen++;
        const unknown = { state: null, sample: null, evidence: 0, cookie: null };
        const isCorked = this.#lost.delete(inode);
        this.#connections.set(inode, { inode, oldDescriptor, socket, isCorked, ...unknown });
      }
    }
    for (const [inode, connection] of this.#connections) {
      if (found.has(inode)) continue;
      // Its client has ended its side: the server may answer still.
      if (connection.isCorked && this.resume([connection]).length > 0) continue;
      this.#connections.delete(inode);
    }
  }

  /** @returns null when the server has closed it, which removes it here; or when baton is short of descriptors */
  duplicate(connection: TrackedConnection): Fd | null {
    const { processes, sockets } = this.platform;
    const { inode, oldDescriptor: { pid, descriptor } } = connection;
    try {
      let pidfd = this.#pidfds.get(pid);
      if (pidfd === undefined) this.#pidfds.set(pid, pidfd = processes.openDescriptors(pid));
      const socket = processes.duplicateFrom(pidfd, descriptor);
      const cookie = sockets.cookie(socket);
      if (connection.cookie === null && proc.ownSocketInode(socket.number) === inode) {
        connection.cookie = cookie;
      }
      if (connection.cookie === cookie) return socket;
      socket.close();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (SHORTAGE.includes(error.code)) return null;
    }
    this.#connections.delete(inode);
    if (connection.isCorked) this.#lost.add(inode);
    return null;
  }

  /** The listener that the connection came in by. */
  groupOf({ socket: { local } }: TrackedConnection): Group | null {
    const { groups } = this.listeners;
    const isPlace = ({ place }: Member) => place?.port === local.port && place.host === local.host;
    const fronted = groups.find(({ members }) => members.some(isPlace));
    if (fronted !== undefined) return fronted;
    const candidates = groups.filter(({ tcp }) => tcp?.port === local.port);
    return candidates.find(({ tcp }) => tcp?.host === local.host) ??
      candidates.find(({ tcp }) => tcp?.family === local.family) ?? candidates[0] ?? null;
  }

  /** Ends the pauses of these connections. @returns those that cannot be reached for lack of descriptors */
  resume(connections: readonly TrackedConnection[] = this.connections): TrackedConnection[] {
    return connections.filter((connection) => {
      using socket = this.duplicate(connection);
      if (socket !== null) {
        this.letAnswer(socket, connection);
        resume(this.platform, socket);
      }
      return socket === null && this.#connections.has(connection.inode);
    });
  }

  /** Lets the held back end of an answer go. Does nothing where baton does not hold it back: the server may. */
  letAnswer(socket: Fd, connection: TrackedConnection): void {
    if (!connection.isCorked) return;
    letAnswer(this.platform, socket);
    connection.isCorked = false;
  }

  close(): void {
    for (const pidfd of this.#pidfds.values()) pidfd.close();
    this.#pidfds.clear();
    this.#connections.clear();
  }
}

/**
 * Undoes what an earlier baton did to the connections of these processes, if it was killed or replaced while it moved them,
 * whatever this baton was asked to do with such connections. Where a server holds its answers back itself, this sends at most
 * one segment early.
 */
export function freeConnections(
  { platform, listeners }: { readonly platform: Platform; readonly listeners: Listeners },
  processes: () => readonly number[],
): void {
  const table = new ConnectionTable(platform, listeners, processes);
  orNull(() => {
    table.refresh();
    for (const connection of table.connections) connection.isCorked = true;
    table.resume();
  });
  table.close();
}
