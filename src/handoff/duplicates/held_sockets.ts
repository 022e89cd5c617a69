/**
 * Duplicates of sockets that servers have got from baton and not decided about yet. While baton holds one of a socket
 * that connects, the server's close(2) sends no FIN: so it is released when that socket has connected or failed to. One
 * that is never used is released when its number is used again, when many have gathered, or with its generation.
 */
import { Edges } from "../../platform/edges.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { isClients, socketAt } from "../../platform/network/server_sockets.ts";
import * as proc from "../../platform/process/proc.ts";

/** Sockets that are held at most: the kernel makes further ones itself. */
const MOST_HELD = 1024;
/** How many more there must be than after the last look before it is time for the next one. */
const LOOK_AFTER = 64;

export interface HeldSocket {
  readonly fd: Fd;
  /** The low 32 bits of its inode. */
  readonly inode: number;
  readonly epoch: number;
  /** Its process has called bind(2). */
  isBound: boolean;
  /** The process that got it, and its number there. */
  readonly pid: number;
  readonly number: number;
}

export class HeldSockets {
  /** Held sockets, each under a number of its own: inodes may be used again. */
  readonly #held = new Map<number, HeldSocket>();
  #edges: Edges | null = null;
  #nextToken = 1;
  #nextLook = LOOK_AFTER;

  constructor(readonly platform: Platform) {}

  get size(): number {
    return this.#held.size;
  }

  get isFull(): boolean {
    return this.#held.size >= MOST_HELD;
  }

  /** Owns its descriptor from now on. */
  add(socket: HeldSocket): void {
    const isOpen = newOpenSockets();
    for (const [token, other] of this.#held) {
      const isSame = other.pid === socket.pid && other.number === socket.number;
      if (isSame && isClosed(other, isOpen)) this.#release(token);
    }
    const token = this.#nextToken++;
    this.#held.set(token, socket);
    const edges = this.#edges ??= this.#newEdges();
    edges.add(socket.fd, token);
    if (this.#held.size >= this.#nextLook) this.look();
  }

  #newEdges(): Edges {
    const { libc, reactor } = this.platform;
    return new Edges(libc, reactor, (token) => this.#onEdge(token));
  }

  #onEdge(token: number): void {
    const socket = this.#held.get(token);
    if (socket !== undefined && this.#isClients(socket)) {
      this.#release(token);
    }
  }

  #isClients({ fd, isBound }: HeldSocket): boolean {
    return isClients(this.platform.sockets, fd, isBound);
  }

  /**
   * @returns the socket that descriptor `number` of thread `tid` is; null: none that is held, or it cannot be known
   * which
   */
  find(of: { tid: number; pid: number; number: number; epoch: number }): HeldSocket | null {
    const inode = socketAt(of.tid, of.number);
    const own = [...this.#held.values()].filter(({ epoch }) => epoch === of.epoch);
    if (inode !== "unseen") return own.find((socket) => socket.inode === inode) ?? null;
    // The latest of them: the number may have been used before.
    const given = own.findLast(({ pid, number }) => pid === of.pid && number === of.number);
    if (given !== undefined) return given;
    // The caller may be a child that has it from its parent, or have it under another number.
    const bound = own.filter(({ isBound }) => isBound);
    return bound.length === 1 ? bound[0]! : null;
  }

  /** Releases sockets that are clients', or that were closed unused. Of a Unix socket only this look shows it. */
  look(): void {
    const isOpen = newOpenSockets();
    for (const [token, socket] of this.#held) {
      const { pid, number } = socket;
      const isOver = this.#isClients(socket);
      // The number says nothing of a process that baton may not look into, while that lives.
      const mayLook = socketAt(pid, number) !== "unseen";
      if (isOver || mayLook && isClosed(socket, isOpen)) this.#release(token);
    }
    this.#nextLook = this.#held.size + LOOK_AFTER;
  }

  /** The socket listens, or is left to its server: it is not held any more. */
  release(inode: number): void {
    for (const [token, socket] of this.#held) if (socket.inode === inode) this.#release(token);
  }

  /** The generation has ended. */
  releaseAll(epoch: number): void {
    for (const [token, socket] of this.#held) if (socket.epoch === epoch) this.#release(token);
  }

  #release(token: number): void {
    const socket = this.#held.get(token);
    if (!this.#held.delete(token) || socket === undefined) return;
    this.#edges?.remove(socket.fd);
    socket.fd.close();
    if (this.#held.size > 0) return;
    this.#edges?.close();
    this.#edges = null;
    this.#nextLook = LOOK_AFTER;
  }
}

type OpenSockets = (pid: number, inode: number) => boolean;

/**
 * Reads each process's descriptors at most once in a look: with a server that gives its sockets other numbers they
 * would be read for each socket.
 */
function newOpenSockets(): OpenSockets {
  const byPid = new Map<number, ReadonlySet<number>>();
  return (pid, inode) => {
    const known = byPid.get(pid) ?? proc.socketInodesOf(pid);
    byPid.set(pid, known);
    return known.has(inode);
  };
}

/** Whether its server has closed it, as far as that can be seen. A bound socket may be on its way to a child. */
function isClosed({ isBound, pid, number, inode }: HeldSocket, isOpen: OpenSockets): boolean {
  const now = socketAt(pid, number);
  if (now === inode) return false;
  if (now === "unseen" || proc.processStat(pid) === null) return !isBound;
  return !isBound && !isOpen(pid, inode);
}
