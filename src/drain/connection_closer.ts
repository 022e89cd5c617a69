/**
 * Closes connections of other processes from outside: a FIN follows what was sent. It calls shutdown(2) on a duplicate
 * (pidfd_getfd), and closes that at once: a lasting duplicate would keep the connection alive.
 *
 * Finding the process that has a connection open is slow (/proc), so the result is cached. The decision uses what the
 * kernel says about the duplicate at that very moment, so only a request already on its way can be lost. If baton was
 * preempted in between, the measurement is stale and the connection stays.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { TcpTraffic } from "../platform/network/sock_diag.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";

/** After this many searches in vain the process of a connection is taken to be invisible. */
const MAX_SEARCHES = 3;
/** The oldest measurement that a decision may rest on. */
const MAX_AGE_MS = 1;

export interface SocketSample {
  readonly traffic: TcpTraffic;
  readonly receiveQueue: number;
}

type ShouldClose = (inode: number, sample: SocketSample) => boolean;

export class ConnectionCloser {
  readonly #owners = new Map<number, { readonly pid: number; readonly descriptor: number }>();
  /** Connections whose owner was not found, and the number of searches. */
  #searches = new Map<number, number>();
  closedCount = 0;
  /**
   * Whether it may be done: false once the kernel has refused: another user's process, or a seccomp profile without
   * pidfd_getfd.
   */
  isPermitted = true;

  /**
   * @param processes those that may have the connections
   * @param side "sending": what the client still sends reaches the server. "both": to the server the client has left,
   * and data that arrives at that very moment is lost
   */
  constructor(
    readonly platform: Platform,
    readonly processes: () => readonly number[],
    readonly side: "sending" | "both" = "sending",
  ) {}

  /** Whether the process of a connection can be seen: it may be in another container. */
  canReach(inode: number): boolean {
    return this.isPermitted && (this.#searches.get(inode) ?? 0) < MAX_SEARCHES;
  }

  /** Closes those of the connections for which `shouldClose` returns true. @returns the closed ones */
  closeIf(inodes: readonly number[], shouldClose: ShouldClose): number[] {
    if (!this.isPermitted || inodes.length === 0) return [];
    const closed: number[] = [];
    const unowned = inodes.filter((inode) => !this.#owners.has(inode));
    if (unowned.some((inode) => this.canReach(inode))) this.#findOwners(unowned);
    const pids = new Set(inodes.map((inode) => this.#owners.get(inode)?.pid));
    for (const pid of pids) {
      if (pid === undefined) continue;
      try {
        using pidfd = this.platform.processes.openDescriptors(pid);
        for (const inode of inodes) {
          const owner = this.#owners.get(inode);
          if (owner?.pid !== pid) continue;
          if (this.#closeOneIf(pidfd, inode, owner.descriptor, shouldClose)) closed.push(inode);
        }
      } catch (error) {
        // The process has exited, and its connections with it.
        if (!(error instanceof SystemCallError)) throw error;
      }
    }
    return closed;
  }

  #findOwners(unowned: readonly number[]): void {
    const visible = this.processes().filter(proc.canSeeDescriptors);
    // All of them belong to another user.
    if (visible.length === 0) this.isPermitted = false;
    this.#owners.clear();
    for (const pid of visible) {
      for (const [inode, descriptor] of proc.socketDescriptorsOf(pid)) {
        this.#owners.set(inode, { pid, descriptor });
      }
    }
    this.#searches = new Map(
      unowned.filter((inode) => !this.#owners.has(inode))
        .map((inode) => [inode, (this.#searches.get(inode) ?? 0) + 1]),
    );
  }

  #closeOneIf(pidfd: Fd, inode: number, descriptor: number, shouldClose: ShouldClose): boolean {
    const { processes, sockets, sockDiag, clock } = this.platform;
    try {
      using socket = processes.duplicateFrom(pidfd, descriptor);
      // The process may have reused the number for another file.
      if (proc.ownSocketInode(socket.number) !== inode) {
        this.#owners.delete(inode);
        return false;
      }
      const atMs = clock.now();
      const traffic = sockDiag.trafficOf(socket);
      const receiveQueue = sockets.unreadBytes(socket);
      if (traffic === null || !shouldClose(inode, { traffic, receiveQueue })) return false;
      if (this.side === "sending" && clock.now() - atMs > MAX_AGE_MS) return false;
      if (this.side === "both") sockets.endBoth(socket);
      else sockets.endSending(socket);
      this.#owners.delete(inode);
      this.closedCount++;
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.#owners.delete(inode);
      // Any other error: the server has closed the connection itself.
      if (error.errno === C.EPERM || error.errno === C.ENOSYS) this.isPermitted = false;
      return false;
    }
  }
}
