/**
 * Connections in flight from the old generation to the new one. Baton holds a duplicate of each until the old process
 * has closed its own, and only then offers it to the new one, so that no two processes ever read it. An idle one stays
 * here after its server has exited, and is offered when the client sends something. Every wait is bounded.
 */
import type { Timer } from "../platform/clock.ts";
import { orNull } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { ownDescriptorCount } from "../platform/own_usage.ts";
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import { isOfferOver, mayWakeAccepted, nextWhileHeld, nextWhileIdle } from "./in_flight_rules.ts";
import type { PendingAccepts } from "./pending_accepts.ts";
import { readCounters, resume, unreadHead } from "./sample.ts";
import { Alarm } from "./wake.ts";

/** Adds at most this much to a client's wait. */
const POLL_MS = 2;
/** Descriptors that baton keeps free for itself: reloads and control clients need some. */
const RESERVE = 64;
/** What an old server is taken to have done while it still may read: it does not matter yet. */
const NO_ACTIVITY = { hasRead: false, hasSent: false, isShut: false };

/** Where the old process has it open. */
export interface OldDescriptor {
  readonly pid: number;
  readonly descriptor: number;
  /** "socket:[INODE]", what /proc says of that descriptor. */
  readonly target: string;
}

export interface MovingConnection {
  readonly inode: number;
  readonly socket: Fd;
  readonly oldDescriptor: OldDescriptor;
  readonly group: Group;
  /** Servers of this kind read in blocking mode. */
  readonly mayBlock: boolean;
  /** Bytes that the old server had read and sent when the move began. */
  readonly read: number;
  readonly sent: number;
  readonly onOutcome: (outcome: keyof MoveCounts) => void;
}

interface InFlightConnection extends MovingConnection {
  /** What the old server has done since the move began; known once it has closed its descriptor. */
  hasRead: boolean;
  hasSent: boolean;
  /**
   * held: the old process has it open. returned: the same, and it is resumed. idle: only baton has it open.
   * offered: it waits for an accept(2) of the new generation. accepted: the new process has it, and is not woken yet.
   */
  state: "held" | "returned" | "idle" | "offered" | "accepted";
  sinceMs: number;
  withdraw: () => void;
}

/** Keep-alive connections of a generation when it was replaced (--keep-alive). */
export interface KeepAliveCounts {
  /** The next generation has them. */
  readonly moved: number;
  /** Connections that ended by themselves before the stop signal. */
  readonly finished: number;
  /** Connections that stayed with the old generation, whatever happened to them then. */
  readonly left: number;
}

/** Outcomes of all moves so far. */
export interface MoveCounts {
  moved: number;
  /** Idle for too long. */
  closed: number;
  /** Closed although an answer was owed. */
  dropped: number;
  /** The old generation did not close them, and has them again. */
  returned: number;
}

export class InFlightMoves {
  readonly counts: MoveCounts = { moved: 0, closed: 0, dropped: 0, returned: 0 };
  readonly #connections = new Set<InFlightConnection>();
  readonly #waiters: (() => void)[] = [];
  #timer: Timer | null = null;
  readonly #alarm: Alarm;
  #offered = 0;
  /** Connections that the new process has accepted and is not woken for yet, in this order. */
  readonly #asleep = new Set<InFlightConnection>();
  #acceptedAtMs = -Infinity;
  /** When a connection was last accepted at each listener. */
  readonly #acceptsAtMs = new WeakMap<Group, number>();

  /** @param onChange the first connection is in flight, or the last one no longer is */
  constructor(
    readonly platform: Platform,
    readonly pendingAccepts: PendingAccepts,
    readonly onChange: () => void,
    readonly onEmpty: (counts: MoveCounts) => void,
  ) {
    this.#alarm = new Alarm(platform);
  }

  get isEmpty(): boolean {
    return this.#connections.size === 0;
  }

  /** How many more can be in flight: each needs a descriptor of baton's. */
  get capacity(): number {
    const [limit] = this.platform.processes.fileLimit();
    return Math.max(0, limit - ownDescriptorCount() - RESERVE);
  }

  get hasUnreadRequest(): boolean {
    const { sockets } = this.platform;
    return [...this.#connections].some(({ socket }) => sockets.unreadBytes(socket) > 0);
  }

  /** Resolves when the longest wait of in_flight_rules.ts is over at the latest, unless more moves follow. */
  whenEmpty(): Promise<void> {
    return this.isEmpty ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Connections that the old generation may have open but no longer owns. */
  get inodes(): Set<number> {
    return new Set([...this.#connections].map(({ inode }) => inode));
  }

  /** Connections that the old generation must not shut down, as /proc names them. */
  get protectedTargets(): Set<string> {
    const away = [...this.#connections].filter(({ state }) =>
      state !== "returned" && state !== "accepted"
    );
    return new Set(away.map(({ oldDescriptor }) => oldDescriptor.target));
  }

  /** Takes ownership of the socket, which is paused. */
  start(connection: MovingConnection): void {
    this.#connections.add({
      ...connection,
      hasRead: false,
      hasSent: false,
      state: "held",
      sinceMs: this.platform.clock.now(),
      withdraw: () => {},
    });
    this.onChange();
    this.#timer ??= this.platform.clock.after(POLL_MS, () => this.#poll());
  }

  #poll(): void {
    this.#timer = null;
    const atMs = this.platform.clock.now();
    for (const connection of this.#connections) {
      try {
        this.#advance(connection, atMs);
      } catch {
        this.#finish(connection, "dropped");
      }
    }
    this.#wakeAcceptedAt(atMs);
    this.#wakeAcceptors(atMs);
    if (!this.isEmpty) {
      this.#timer = this.platform.clock.after(POLL_MS, () => this.#poll());
      return;
    }
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.onChange();
    this.onEmpty(this.counts);
  }

  #advance(connection: InFlightConnection, atMs: number): void {
    const { state } = connection;
    if ((state === "held" || state === "returned") && !this.#isReleased(connection, atMs)) return;
    const ageMs = atMs - connection.sinceMs;
    if (connection.state === "accepted") return;
    if (connection.state === "offered") {
      const sinceAcceptMs = atMs - (this.#acceptsAtMs.get(connection.group) ?? -Infinity);
      if (isOfferOver({ ageMs, sinceAcceptMs })) this.#finish(connection, "dropped");
      return;
    }
    const { sockets } = this.platform;
    const isEstablished = sockets.tcpState(connection.socket) === C.TCP_ESTABLISHED;
    const head = unreadHead(sockets, connection.socket)?.kind ?? null;
    const { hasRead, hasSent } = connection;
    const next = nextWhileIdle({ ageMs, isEstablished, head, hasRead, hasSent });
    if (next === "offer") this.#offer(connection, atMs);
    else if (next !== "wait") this.#finish(connection, next);
  }

  #offer(connection: InFlightConnection, atMs: number): void {
    const { socket, group, mayBlock } = connection;
    connection.state = "offered";
    connection.sinceMs = atMs;
    this.#offered++;
    this.#alarm.hasMore = true;
    const onTaking = (blocks: boolean) => {
      // A read(2) in blocking mode must not find it paused (sample.ts).
      if (blocks || mayBlock) resume(this.platform, socket);
    };
    const onTaken = () => this.#accepted(connection);
    const withdraw = this.pendingAccepts.add({ group, socket, onTaking, onTaken });
    connection.withdraw = () => {
      this.#offered--;
      withdraw();
    };
  }

  #accepted(connection: InFlightConnection): void {
    const atMs = this.platform.clock.now();
    connection.withdraw();
    connection.withdraw = () => {};
    connection.state = "accepted";
    connection.sinceMs = atMs;
    this.#asleep.add(connection);
    this.#acceptedAtMs = atMs;
    this.#acceptsAtMs.set(connection.group, atMs);
    this.#wakeAcceptedAt(atMs);
  }

  #wakeAcceptedAt(atMs: number): void {
    const [first] = this.#asleep;
    if (first === undefined) return;
    const [firstMs, lastMs] = [atMs - first.sinceMs, atMs - this.#acceptedAtMs];
    if (mayWakeAccepted({ offered: this.#offered, firstMs, lastMs })) this.wakeAccepted();
  }

  /** Wakes the new server for what it has accepted: the requests are its own from here on. */
  wakeAccepted(): void {
    for (const connection of this.#asleep) {
      this.#asleep.delete(connection);
      orNull(() => resume(this.platform, connection.socket));
      this.#finish(connection, "moved");
    }
  }

  /** @returns whether only baton has it open now */
  #isReleased(connection: InFlightConnection, atMs: number): boolean {
    const { socket, oldDescriptor: { pid, descriptor, target } } = connection;
    const isOpen = proc.descriptorTarget(pid, descriptor) === target;
    const wasReturned = connection.state === "returned";
    // Read after `isOpen`: once the descriptor is closed the old server can do no more.
    const activity = isOpen && !wasReturned ? NO_ACTIVITY : this.#oldServerActivity(connection);
    if (activity === null) return false;
    const { hasRead, hasSent, isShut } = activity;
    const unread = this.platform.sockets.unreadBytes(socket);
    const ageMs = atMs - connection.sinceMs;
    switch (nextWhileHeld({ ageMs, isOpen, wasReturned, unread, hasRead, isShut })) {
      case "wait":
        return false;
      case "return":
        resume(this.platform, socket);
        connection.state = "returned";
        return false;
      case "returned":
        this.#finish(connection, "returned");
        return false;
      case "idle":
        Object.assign(connection, { hasRead, hasSent, state: "idle", sinceMs: atMs });
        return true;
    }
  }

  /** @returns null: data arrived during the measurement */
  #oldServerActivity({ socket, read, sent }: InFlightConnection): typeof NO_ACTIVITY | null {
    const { sockets } = this.platform;
    const state = sockets.tcpState(socket);
    const counters = readCounters(this.platform, socket);
    if (counters === null || sockets.tcpState(socket) !== state) return null;
    const { traffic, unread, unacknowledged } = counters;
    // The kernel counts the client's FIN as one byte.
    const readNow = traffic.bytesReceived - unread - (state === C.TCP_ESTABLISHED ? 0 : 1);
    return {
      hasRead: readNow !== read,
      hasSent: traffic.bytesAcked + unacknowledged > sent,
      isShut: state !== C.TCP_ESTABLISHED && state !== C.TCP_CLOSE_WAIT,
    };
  }

  #finish(connection: InFlightConnection, outcome: keyof MoveCounts): void {
    connection.withdraw();
    connection.socket.close();
    this.#connections.delete(connection);
    this.counts[outcome]++;
    connection.onOutcome(outcome);
  }

  #wakeAcceptors(atMs: number): void {
    if (this.#offered === 0) return;
    const offered = [...this.#connections].filter(({ state }) => state === "offered");
    this.#alarm.ring(atMs, new Set(offered.map(({ group }) => group)));
  }
}
