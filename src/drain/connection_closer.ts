/**
 * Ends connections of other processes from outside: FIN after what was sent, as if the server had
 * finished with the connection. shutdown(2) of a duplicate (pidfd_getfd), which is closed at once: a
 * duplicate that stays open would keep the connection alive.
 *
 * Who has a connection is found out slowly (/proc) and remembered; the decision is made on what the
 * kernel says of the duplicate at that very moment, so that only a request that is on its way then
 * can be lost. Where baton had to wait for a processor in between, the moment is over.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { TcpTraffic } from "../platform/network/sock_diag.ts";

/** A connection whose process was looked for this often in vain belongs to one that cannot be seen. */
const MAX_SEARCHES = 3;
/** What the kernel has said may be this old when it is acted on. */
const MAX_AGE_MS = 1;

/** A connection at this moment. */
export interface SocketSample {
  readonly traffic: TcpTraffic;
  /** Bytes that the server has not read. */
  readonly receiveQueue: number;
}

type Decide = (inode: number, moment: SocketSample) => boolean;

interface Place {
  readonly pid: number;
  readonly descriptor: number;
}

export class ConnectionCloser {
  readonly #places = new Map<number, Place>();
  /** Connections without a place, and how often one was looked for. */
  #searches = new Map<number, number>();
  /** Connections that were ended. */
  closedCount = 0;
  /** False once it was refused: another user's process, or a profile without pidfd_getfd. */
  isPermitted = true;

  /**
   * @param processes who may have the connections
   * @param side "sending": what the client still sends reaches the server; "both": the server sees the client leave,
   * and whatever comes at that very moment is lost
   */
  constructor(
    readonly platform: Platform,
    readonly processes: () => readonly number[],
    readonly side: "sending" | "both" = "sending",
  ) {}

  /** False when the processes that have it cannot be seen: those of another container, for example. */
  canReach(inode: number): boolean {
    return this.isPermitted && (this.#searches.get(inode) ?? 0) < MAX_SEARCHES;
  }

  /**
   * @param decide called with each connection that is there, whether it is to be ended
   * @returns those that were ended
   */
  closeIf(inodes: readonly number[], decide: Decide): number[] {
    if (!this.isPermitted || inodes.length === 0) return [];
    const ended: number[] = [];
    const lost = inodes.filter((inode) => !this.#places.has(inode));
    if (lost.some((inode) => this.canReach(inode))) this.#findPlaces(lost);
    const pids = new Set(inodes.map((inode) => this.#places.get(inode)?.pid));
    for (const pid of pids) {
      if (pid === undefined) continue;
      try {
        using pidfd = this.platform.processes.openPidfd(pid);
        for (const inode of inodes) {
          const place = this.#places.get(inode);
          if (place?.pid !== pid) continue;
          if (this.#visit(pidfd, inode, place.descriptor, decide)) ended.push(inode);
        }
      } catch (error) {
        // It has ended, and its connections with it.
        if (!(error instanceof SystemCallError)) throw error;
      }
    }
    return ended;
  }

  #findPlaces(lost: readonly number[]): void {
    const holders = this.processes().filter(proc.canSeeDescriptors);
    // All of them belong to another user, whom we may not look into.
    if (holders.length === 0) this.isPermitted = false;
    this.#places.clear();
    for (const pid of holders) {
      for (const [inode, descriptor] of proc.socketDescriptorsOf(pid)) {
        this.#places.set(inode, { pid, descriptor });
      }
    }
    this.#searches = new Map(
      lost.filter((inode) => !this.#places.has(inode))
        .map((inode) => [inode, (this.#searches.get(inode) ?? 0) + 1]),
    );
  }

  /** @returns whether it was ended */
  #visit(pidfd: Fd, inode: number, descriptor: number, decide: Decide): boolean {
    const { processes, sockets, sockDiag } = this.platform;
    try {
      using socket = processes.duplicateFrom(pidfd, descriptor);
      // The number may stand for another file by now.
      if (proc.ownSocketInode(socket.number) !== inode) {
        this.#places.delete(inode);
        return false;
      }
      const atMs = performance.now();
      const traffic = sockDiag.trafficOf(socket);
      const receiveQueue = sockets.unreadBytes(socket);
      if (traffic === null || !decide(inode, { traffic, receiveQueue })) return false;
      if (this.side === "sending" && performance.now() - atMs > MAX_AGE_MS) return false;
      if (this.side === "both") sockets.endBoth(socket);
      else sockets.endSending(socket);
      this.#places.delete(inode);
      this.closedCount++;
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.#places.delete(inode);
      // Else the server has closed the connection, which was to be.
      if (error.errno === C.EPERM || error.errno === C.ENOSYS) this.isPermitted = false;
      return false;
    }
  }
}
