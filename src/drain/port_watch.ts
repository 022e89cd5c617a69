/**
 * The traffic of a service that baton does not steer, watched from outside; and the closing of connections in a pause.
 *
 * Where netlink refuses the socket table, /proc/net/tcp replaces it, which does not tell how long a connection has been
 * silent: then every connection counts as busy. Reading it can take seconds: a sample has its time, and what it has not
 * come to is unknown. A sample that fails is null. Closing needs pidfd_getfd on the process; where that is refused, idle
 * connections are left to the server.
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
import { portsWithoutTls } from "./handshake.ts";
import { type DrainPeriod, SpreadClose } from "./spread_close.ts";
import { UnixTraffic } from "./unix/unix_traffic.ts";
import { type Conversation, follow, mayClose } from "./conversation.ts";

interface PortWatchOptions {
  /** Ports to watch; empty: those that `processes` listen at. */
  ports(): readonly number[];
  /** Ports of baton itself, which are not traffic of the service. */
  readonly exceptPorts: readonly number[];
  /** Processes of the server; null: unknown, so every port is watched. */
  readonly processes: (() => readonly number[]) | null;
  readonly quietMs: number;
  /** The part at the end of a drain in which long-lived connections are closed; missing: they are not. */
  readonly spreadMs?: number;
  /**
   * Whether the kernel's count for the whole network namespace is added, so that connections too short to be sampled
   * count.
   */
  readonly countsOpens: boolean;
  ownOpens(): number;
}

interface Listener {
  readonly port: number;
  readonly inode: number;
  readonly uid: number;
}

interface PortSample {
  readonly fresh: number;
  /** Connections that block a drain: an answer is owed, or data moved a moment ago. */
  readonly busy: number;
  /** Quiet connections that may be closed. */
  readonly idle: number;
  readonly owed: number;
  readonly undecided: number;
  /** Connections among the idle ones on which certainly no answer is owed. */
  readonly atRest: number;
  readonly listening: boolean;
}

/** Connections examined at a time; the others follow when these are gone. */
const MAX_VISITS = 256;
/** After trying for this long, less than the best moment will do. */
const HURRY_AFTER_MS = 2_000;
const REFRESH_PORTS_MS = 500;

export class PortWatch {
  #ports: ReadonlySet<number> = new Set();
  #portsAtMs = -Infinity;
  #known: ReadonlySet<string> | null = null;
  #opens: { total: number; own: number } | null = null;
  #sockets: readonly TcpSocket[] = [];
  /** Ports without TLS. */
  #plain: ReadonlySet<number> = new Set();
  #conversations = new Map<number, Conversation>();
  readonly #tracks = new Tracks();
  /** Its Unix sockets; null: its processes are unknown, and every Unix socket of the machine would count. */
  readonly #unix: UnixTraffic | null;
  readonly #closer: ConnectionCloser;
  #closingSinceMs: number | null = null;
  /** When the present look must end. */
  #untilMs = Infinity;
  readonly #spread: SpreadClose;

  constructor(readonly platform: Platform, readonly options: PortWatchOptions) {
    const processes = options.processes ?? proc.allProcesses;
    this.#unix = options.processes && new UnixTraffic(platform, options.processes);
    this.#closer = new ConnectionCloser(platform, processes);
    this.#spread = new SpreadClose(new ConnectionCloser(platform, processes, "both"));
  }

  get closedCount(): number {
    return this.#closer.closedCount;
  }

  get ports(): readonly number[] {
    return [...this.#ports];
  }

  /** Whether any port of the service has a listener now, or the server listens at a Unix socket; null: unknown. */
  isListening(): boolean | null {
    const ports = this.#findPorts();
    return ports === null ? null : ports.size > 0 || this.#unix?.isListening() === true;
  }

  /** @param untilMs when a look ends that takes long */
  sample(atMs: number, untilMs = Infinity): PortSample | null {
    this.#untilMs = untilMs;
    const listening = this.#refreshPorts(atMs);
    if (listening === null) return null;
    const opened = this.#newOpens();
    try {
      this.#sockets = this.platform.sockDiag.tcpByLocalPorts(this.#ports);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return this.#sampleFromProc(listening, opened);
    }
    const conversations = new Map<number, Conversation>();
    const seen = new Set<string>();
    const counts = { busy: 0, idle: 0, owed: 0, undecided: 0, atRest: 0 };
    this.#tracks.note(this.#sockets, atMs);
    this.#plain = portsWithoutTls(this.#sockets);
    for (const socket of this.#sockets) {
      if (socket.state === C.TCP_LISTEN) {
        counts.busy += socket.receiveQueue;
        counts.owed += socket.receiveQueue;
        continue;
      }
      seen.add(`${socket.local.port} ${socket.remote.host} ${socket.remote.port}`);
      // Still in the accept queue.
      if (socket.inode === 0) continue;
      const earlier = this.#conversations.get(socket.inode) ?? null;
      conversations.set(socket.inode, follow(earlier, socket, atMs));
      const { activity, blocksDrain } = this.#judge(socket);
      if (activity === "busy") counts.owed++;
      if (activity === "undecided") counts.undecided++;
      if (blocksDrain) counts.busy++;
      if (blocksDrain || activity === "closing" || !this.#closer.canReach(socket.inode)) continue;
      counts.idle++;
      if (activity === "idle") counts.atRest++;
    }
    this.#conversations = conversations;
    // Unix sockets count only where it has no port: beside ports they are mostly the server's own, between its
    // processes, or for its operator.
    const unix = this.#ports.size === 0 ? this.#unix?.look(atMs) : null;
    counts.busy += unix?.blocking.size ?? 0;
    counts.owed += unix?.busy.size ?? 0;
    counts.undecided += unix?.undecided.size ?? 0;
    return this.#result({ seen, opened, ...counts, listening });
  }

  #judge(socket: TcpSocket): Judgement {
    const { inode, local } = socket;
    const isPlain = this.#plain.has(local.port);
    return judge(socket, this.options.quietMs, this.#tracks.get(inode), isPlain);
  }

  /** Closes connections of the latest sample that may be closed now; their clients go elsewhere. */
  closeIdle(atMs: number): void {
    this.#closingSinceMs ??= atMs;
    const inHurry = atMs - this.#closingSinceMs >= HURRY_AFTER_MS;
    const open = new Map(
      this.#sockets.filter(({ state, inode }) => state === C.TCP_ESTABLISHED && inode !== 0)
        .slice(0, MAX_VISITS).map((socket) => [socket.inode, socket]),
    );
    const closed = new Set<number>();
    this.#closer.closeIf([...open.keys()], (inode, moment) => {
      const socket = { ...open.get(inode)!, ...moment, sendQueue: 0 };
      const conversation = follow(this.#conversations.get(inode) ?? null, socket, atMs);
      this.#conversations.set(inode, conversation);
      // A silence no longer than the pauses of a stream tells nothing.
      const isPause = this.#judge(socket).blocksDrain;
      const patience = { quietMs: this.options.quietMs, inHurry, isPause };
      if (!mayClose(conversation, socket, patience)) return false;
      closed.add(inode);
      return true;
    });
    this.#sockets = this.#sockets.filter(({ inode }) => !closed.has(inode));
  }

  /** Closes long-lived connections of the latest sample, one by one. @returns how many, now */
  closeLongLived(atMs: number, drain: Pick<DrainPeriod, "beganAtMs" | "endsAtMs">): number {
    const { spreadMs = 0 } = this.options;
    if (spreadMs === 0 || atMs < drain.endsAtMs - spreadMs) return 0;
    const blocking = this.#sockets.filter((socket) => this.#judge(socket).blocksDrain)
      .map(({ inode }) => inode);
    return this.#spread.closeDue(blocking, this.#tracks, atMs, { ...drain, spreadMs }).closed
      .length;
  }

  /** @returns whether any port of the service has a listener, or the server listens at a Unix socket; null: unknown */
  #refreshPorts(atMs: number): boolean | null {
    if (atMs - this.#portsAtMs < REFRESH_PORTS_MS) return this.#ports.size > 0;
    const ports = this.#findPorts();
    if (ports === null) return null;
    if (ports.size === 0) return this.#unix?.isListening() === true;
    this.#portsAtMs = atMs;
    // A server that has closed its listeners keeps their connections.
    this.#ports = new Set([...this.#ports, ...ports]);
    return true;
  }

  #findPorts(): Set<number> | null {
    const { exceptPorts } = this.options;
    const ports = this.options.ports();
    const rows = this.#listeners()?.filter(({ port }) =>
      ports.length > 0 ? ports.includes(port) : !exceptPorts.includes(port)
    );
    if (rows === undefined) return null;
    const pids = ports.length > 0 ? null : this.options.processes?.() ?? null;
    const isServers = pids === null ? () => true : this.#ownership(pids);
    return isServers === null ? null : new Set(rows.filter(isServers).map(({ port }) => port));
  }

  /** @returns which listeners are the server's; null: unknown at this moment */
  #ownership(pids: readonly number[]): ((listener: Listener) => boolean) | null {
    if (pids.every(proc.canSeeDescriptors)) {
      const inodes = new Set(pids.flatMap((pid) => [...proc.socketInodesOf(pid)]));
      return ({ inode }) => inodes.has(inode);
    }
    // The processes of another user are opaque: then all listeners of that user count. A process of baton's own user is
    // opaque only during its execve.
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
      const read = this.#rowsOfProc([C.TCP_LISTEN]);
      if (read === null || !read.isComplete) return null;
      return read.rows.map(({ localPort: port, inode, uid }) => ({ port, inode, uid }));
    }
  }

  #rowsOfProc(states: readonly number[]) {
    const { clock } = this.platform;
    return tcpRows(states, () => clock.now() >= this.#untilMs);
  }

  /** Connections that the kernel has counted since the last sample, without baton's own. */
  #newOpens(): number {
    if (!this.options.countsOpens) return 0;
    const total = passiveOpens();
    const own = this.options.ownOpens();
    const before = this.#opens;
    if (total === null) return 0;
    this.#opens = { total, own };
    return before === null ? 0 : Math.max(0, total - before.total - (own - before.own));
  }

  #sampleFromProc(listening: boolean, opened: number): PortSample | null {
    const read = this.#rowsOfProc([C.TCP_ESTABLISHED, C.TCP_CLOSE_WAIT]);
    if (read === null) return null;
    const connections = read.rows.filter(({ localPort }) => this.#ports.has(localPort));
    // The connections that were found are there; that there are no others is not known.
    if (!read.isComplete && connections.length === 0) return null;
    const seen = new Set(connections.map(({ localPort, remote }) => `${localPort} ${remote}`));
    this.#sockets = [];
    const busy = connections.length;
    const none = { idle: 0, undecided: 0, atRest: 0 };
    return this.#result({ seen, opened, busy, owed: busy, ...none, listening });
  }

  #result(
    sample: Omit<PortSample, "fresh"> & { readonly seen: Set<string>; readonly opened: number },
  ): PortSample {
    const { seen, opened, ...rest } = sample;
    const known = this.#known ?? seen;
    const unknown = [...seen].filter((key) => !known.has(key)).length;
    this.#known = seen;
    return { fresh: Math.max(unknown, opened), ...rest };
  }
}
