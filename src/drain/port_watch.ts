/**
 * The traffic of a service that baton does not steer, from outside: which ports it listens at, who is
 * connected, who came since the last look; and the ending of connections in a pause.
 *
 * Nothing is asked of the server. Where the socket table (netlink) is refused, /proc/net/tcp is read,
 * which does not tell how old a silence is: then every connection counts as busy. A look that fails is
 * null. Ending a connection needs pidfd_getfd of the process that has it; where that is refused the
 * silent ones are left to the server.
 */
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import { passiveOpens, tcpRows } from "../platform/network/proc_net.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import { SystemCallError } from "../platform/error.ts";
import { judge, type Judgement } from "./classify.ts";
import { Tracks } from "./connections.ts";
import { ConnectionCloser } from "./connection_closer.ts";
import { SpreadClose } from "./spread_close.ts";
import { isLongLived } from "./track.ts";
import { type Conversation, follow, mayClose } from "./conversation.ts";

export interface PortWatchOptions {
  /** Ports to look at; empty: those that `processes` listen at. */
  ports(): readonly number[];
  /** Never looked at: baton's own. */
  readonly exceptPort: number | null;
  /** Processes of the server; null: not known, so every port is looked at. */
  readonly processes: (() => readonly number[]) | null;
  readonly quietMs: number;
  /** Of a drain, the part at its end in which long-lived connections are closed; missing: they are not. */
  readonly spreadMs?: number;
  /** Connections too short to be seen are counted by the kernel, for the whole network namespace. */
  readonly countsOpens: boolean;
  /** How many of those baton itself has accepted. */
  ownOpens(): number;
}

interface Listener {
  readonly port: number;
  readonly inode: number;
  readonly uid: number;
}

export interface PortSample {
  readonly fresh: number;
  /** They are waited for: something is owed, or was said a moment ago. */
  readonly busy: number;
  /** Silent ones that may be ended. */
  readonly idle: number;
  /** Something is owed on them. */
  readonly owed: number;
  /** That is not known. */
  readonly undecided: number;
  /** Of those that may be ended, who is known to be owed nothing. */
  readonly atRest: number;
  readonly listening: boolean;
}

/** Connections looked at one by one; the others have their turn when these are gone. */
const MAX_VISITS = 256;
/** After this time of trying, a moment that is not the best is good enough. */
const HURRY_AFTER_MS = 2_000;
/** What is asked for at every look may be asked of the kernel this often. */
const PORTS_LOOK_MS = 500;

export class PortWatch {
  #ports: ReadonlySet<number> = new Set();
  #portsAtMs = -Infinity;
  #known: ReadonlySet<string> | null = null;
  #opens: { total: number; own: number } | null = null;
  #sockets: readonly TcpSocket[] = [];
  #conversations = new Map<number, Conversation>();
  readonly #tracks = new Tracks();
  readonly #ending: ConnectionCloser;
  #endingSinceMs: number | null = null;
  readonly #spread: SpreadClose;

  constructor(readonly platform: Platform, readonly options: PortWatchOptions) {
    const processes = options.processes ?? proc.allProcesses;
    this.#ending = new ConnectionCloser(platform, processes);
    this.#spread = new SpreadClose(platform, processes);
  }

  /** Connections that were ended in a pause. */
  get closedCount(): number {
    return this.#ending.closedCount;
  }

  /** Ports that are looked at. */
  get ports(): readonly number[] {
    return [...this.#ports];
  }

  /** Some port of the service has a listener now; null when that cannot be found out. */
  isListening(): boolean | null {
    const ports = this.#findPorts();
    return ports === null ? null : ports.size > 0;
  }

  sample(atMs: number): PortSample | null {
    const listening = this.#refreshPorts(atMs);
    if (listening === null) return null;
    const opened = this.#newOpens();
    try {
      this.#sockets = [...this.#ports].flatMap((port) =>
        this.platform.sockDiag.tcpByLocalPort(port)
      );
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return this.#lookAtTable(listening, opened);
    }
    const conversations = new Map<number, Conversation>();
    const seen = new Set<string>();
    const counts = { busy: 0, idle: 0, owed: 0, undecided: 0, atRest: 0 };
    this.#tracks.note(this.#sockets, atMs);
    for (const socket of this.#sockets) {
      if (socket.state === C.TCP_LISTEN) {
        counts.busy += socket.receiveQueue;
        counts.owed += socket.receiveQueue;
        continue;
      }
      seen.add(`${socket.local.port} ${socket.remote.host} ${socket.remote.port}`);
      if (socket.inode === 0) continue; // Still in the queue of its listener.
      const earlier = this.#conversations.get(socket.inode) ?? null;
      conversations.set(socket.inode, follow(earlier, socket, atMs));
      const { activity, blocksDrain: blocksDrain } = this.#judge(socket);
      if (activity === "busy") counts.owed++;
      if (activity === "undecided") counts.undecided++;
      if (blocksDrain) counts.busy++;
      if (blocksDrain || activity === "closing" || !this.#ending.canReach(socket.inode)) continue;
      counts.idle++;
      if (activity === "idle") counts.atRest++;
    }
    this.#conversations = conversations;
    return this.#result({ seen, opened, ...counts, listening });
  }

  #judge(socket: TcpSocket): Judgement {
    return judge(socket, this.options.quietMs, this.#tracks.get(socket.inode));
  }

  /** Ends connections of the latest look that may be ended now; their clients go elsewhere. */
  closeIdle(atMs: number): void {
    this.#endingSinceMs ??= atMs;
    const inHurry = atMs - this.#endingSinceMs >= HURRY_AFTER_MS;
    const open = new Map(
      this.#sockets.filter(({ state, inode }) => state === C.TCP_ESTABLISHED && inode !== 0)
        .slice(0, MAX_VISITS).map((socket) => [socket.inode, socket]),
    );
    const ended = new Set<number>();
    this.#ending.closeIf([...open.keys()], (inode, moment) => {
      const socket = { ...open.get(inode)!, ...moment, sendQueue: 0 };
      const conversation = follow(this.#conversations.get(inode) ?? null, socket, atMs);
      this.#conversations.set(inode, conversation);
      // A silence as long as the pauses between two messages of a stream says nothing.
      const isPause = this.#judge(socket).blocksDrain;
      const patience = { quietMs: this.options.quietMs, inHurry, isPause };
      if (!mayClose(conversation, socket, patience)) return false;
      ended.add(inode);
      return true;
    });
    this.#sockets = this.#sockets.filter(({ inode }) => !ended.has(inode));
  }

  /** Closes long-lived connections of the latest look, one by one. @returns how many, now */
  closeLongLived(
    atMs: number,
    { beganAtMs, endsAtMs }: { readonly beganAtMs: number; readonly endsAtMs: number },
  ): number {
    const { spreadMs = 0 } = this.options;
    if (spreadMs === 0 || atMs < endsAtMs - spreadMs) return 0;
    const span = { atMs, beganAtMs, drainMs: endsAtMs - beganAtMs };
    const longLived = this.#sockets.filter((socket) => {
      const track = this.#tracks.get(socket.inode);
      return track !== null && this.#judge(socket).blocksDrain && isLongLived(track, span);
    }).map(({ inode }) => inode).sort((a, b) => a - b);
    const window = { fromMs: Math.max(beganAtMs, endsAtMs - spreadMs), toMs: endsAtMs };
    return this.#spread.closeDue(longLived, atMs, window).length;
  }

  /** @returns whether anybody listens at a port of the service; null = that is not known */
  #refreshPorts(atMs: number): boolean | null {
    if (atMs - this.#portsAtMs < PORTS_LOOK_MS) return this.#ports.size > 0;
    const ports = this.#findPorts();
    if (ports === null) return null;
    if (ports.size === 0) return false;
    this.#portsAtMs = atMs;
    // A server that has closed its listeners still has the connections that came by them.
    this.#ports = new Set([...this.#ports, ...ports]);
    return true;
  }

  #findPorts(): Set<number> | null {
    const { exceptPort } = this.options;
    const ports = this.options.ports();
    const rows = this.#listeners()?.filter(({ port }) =>
      ports.length > 0 ? ports.includes(port) : port !== exceptPort
    );
    if (rows === undefined) return null;
    const pids = ports.length > 0 ? null : this.options.processes?.() ?? null;
    const isOurs = pids === null ? () => true : this.#ownership(pids);
    return isOurs === null ? null : new Set(rows.filter(isOurs).map(({ port }) => port));
  }

  /** @returns which listeners are the server's; null = not known at this moment */
  #ownership(pids: readonly number[]): ((listener: Listener) => boolean) | null {
    if (pids.every(proc.canSeeDescriptors)) {
      const inodes = new Set(pids.flatMap((pid) => [...proc.socketInodesOf(pid)]));
      return ({ inode }) => inodes.has(inode);
    }
    // Another user's processes cannot be looked into: then all listeners of that user count. One of our
    // own user that cannot be is being executed just now.
    const users = new Set(pids.map(proc.userOf));
    if (users.has(this.platform.processes.userId())) return null;
    return ({ uid }) => users.has(uid);
  }

  #listeners(): Listener[] | null {
    try {
      return this.platform.sockDiag.listeners()
        .map(({ local, inode, uid }) => ({ port: local.port, inode, uid }));
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const rows = tcpRows([C.TCP_LISTEN]);
      return rows?.map(({ localPort: port, inode, uid }) => ({ port, inode, uid })) ?? null;
    }
  }

  /** Connections that the kernel has counted since the last look, without baton's own. */
  #newOpens(): number {
    if (!this.options.countsOpens) return 0;
    const total = passiveOpens();
    const own = this.options.ownOpens();
    const before = this.#opens;
    if (total === null) return 0;
    this.#opens = { total, own };
    return before === null ? 0 : Math.max(0, total - before.total - (own - before.own));
  }

  #lookAtTable(listening: boolean, opened: number): PortSample | null {
    const rows = tcpRows([C.TCP_ESTABLISHED, C.TCP_CLOSE_WAIT]);
    if (rows === null) return null;
    const ours = rows.filter(({ localPort }) => this.#ports.has(localPort));
    const seen = new Set(ours.map(({ localPort, remote }) => `${localPort} ${remote}`));
    this.#sockets = [];
    const busy = ours.length;
    const none = { idle: 0, undecided: 0, atRest: 0 };
    return this.#result({ seen, opened, busy, owed: busy, ...none, listening });
  }

  #result(
    look: Omit<PortSample, "fresh"> & { readonly seen: Set<string>; readonly opened: number },
  ): PortSample {
    const { seen, opened, ...rest } = look;
    const known = this.#known ?? seen;
    const unknown = [...seen].filter((key) => !known.has(key)).length;
    this.#known = seen;
    return { fresh: Math.max(unknown, opened), ...rest };
  }
}
