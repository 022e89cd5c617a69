/**
 * The connections of a generation that is to be replaced, and which of its processes has each.
 *
 * They are reached by duplicates that are closed at once: one that stayed open would keep a connection alive that
 * the server has closed.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import { open } from "./pause.ts";
import type { Look, Watched } from "./connection.ts";
import type { Place } from "./in_flight.ts";

/** Baton, or the machine, has no room for a duplicate now: that says nothing about what it is to be one of. */
const SHORTAGE = ["EMFILE", "ENFILE", "ENOMEM"];

export interface Entry {
  readonly inode: number;
  place: Place;
  readonly socket: TcpSocket;
  watched: Watched | null;
  look: Look | null;
  /** What was seen of its client in an attempt before this one (`Watched.waited`). */
  waited: number;
  /** Of the kernel, for this socket alone; null until it was seen. */
  cookie: bigint | null;
}

export class Watchlist {
  readonly #entries = new Map<number, Entry>();
  #seen = 0;
  readonly #pidfds = new Map<number, Fd>();

  /** @param processes those of the generation */
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly processes: () => readonly number[],
  ) {}

  /** How many were found since the beginning. */
  get seen(): number {
    return this.#seen;
  }

  get size(): number {
    return this.#entries.size;
  }

  get entries(): Entry[] {
    return [...this.#entries.values()];
  }

  /** Who has which connection now. */
  find(): void {
    const ports = new Set(this.listeners.groups.map(({ address }) => address.port));
    const sockets = [...ports].flatMap((port) => this.platform.sockDiag.tcpByLocalPort(port));
    const established = sockets.filter(({ state }) => state === C.TCP_ESTABLISHED);
    const byInode = new Map(established.map((socket) => [socket.inode, socket]));
    const found = new Set<number>();
    for (const pid of this.processes()) {
      for (const [inode, descriptor] of proc.socketDescriptorsOf(pid)) {
        const socket = byInode.get(inode);
        if (socket === undefined) continue;
        found.add(inode);
        const place = { pid, descriptor, target: `socket:[${inode}]` };
        const entry = this.#entries.get(inode);
        if (entry !== undefined) {
          entry.place = place;
          continue;
        }
        this.#seen++;
        this.#entries.set(inode, {
          inode,
          place,
          socket,
          watched: null,
          look: null,
          waited: 0,
          cookie: null,
        });
      }
    }
    for (const inode of this.#entries.keys()) if (!found.has(inode)) this.#entries.delete(inode);
  }

  /** @returns null when the server has closed it: it is forgotten then; or when baton has too few descriptors */
  duplicate(entry: Entry): Fd | null {
    const { processes, sockets } = this.platform;
    const { inode, place } = entry;
    try {
      let pidfd = this.#pidfds.get(place.pid);
      if (pidfd === undefined) {
        this.#pidfds.set(place.pid, pidfd = processes.openPidfd(place.pid));
      }
      const socket = processes.duplicateFrom(pidfd, place.descriptor);
      const cookie = sockets.cookie(socket);
      if (entry.cookie === null && proc.ownSocketInode(socket.number) === inode) {
        entry.cookie = cookie;
      }
      if (entry.cookie === cookie) return socket;
      socket.close();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (SHORTAGE.includes(error.code)) return null;
    }
    this.#entries.delete(inode);
    return null;
  }

  /** The listener that it came in by. */
  groupOf({ socket: { local } }: Entry): Group | null {
    const candidates = this.listeners.groups.filter(({ address }) => address.port === local.port);
    return candidates.find(({ address }) => address.host === local.host) ??
      candidates.find(({ address }) => address.family === local.family) ?? candidates[0] ?? null;
  }

  /** Nobody of these is held back any more. @returns those that cannot be reached now: too few descriptors */
  letIn(entries: readonly Entry[] = this.entries): Entry[] {
    return entries.filter((entry) => {
      using socket = this.duplicate(entry);
      if (socket !== null) open(this.platform, socket);
      return socket === null && this.#entries.has(entry.inode);
    });
  }

  close(): void {
    for (const pidfd of this.#pidfds.values()) pidfd.close();
    this.#pidfds.clear();
    this.#entries.clear();
  }
}
