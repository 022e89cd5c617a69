/**
 * Emptying one generation that gets no new connections (or is to stop): from outside, by looking.
 *
 * Order: its accept queues are empty and no handshake from before the switch is left; then, unless
 * the mode is "signal", its connections are idle or gone. It reports `drained` once, and never
 * gives up by itself: the limit is a timer of the lifecycle. Looks only while a drain is under way.
 */
import type { Platform } from "../platform/platform.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { EarlierLook } from "./classify.ts";
import { countConnections, NO_CONNECTIONS, SocketTable } from "./connections.ts";
import type { ConnectionCounts } from "./connections.ts";

/** Between two looks while the queue is not known to be empty. */
const QUEUE_LOOK_MS = 10;
/** Between two looks at connections; grows from the first to the second. */
const FIRST_LOOK_MS = 20;
const SLOWEST_LOOK_MS = 250;
/** The queue must be seen empty this often: a handshake may be between table and queue. */
const QUIET_LOOKS = 2;
/** A server that finishes its requests by itself is given this long to do so before its signal. */
export const SETTLE_MS = 1_000;

export type DrainStyle =
  /** Until every connection is idle or gone. */
  | "quiesce"
  /** The same, but at most SETTLE_MS: for servers that finish requests after their signal. */
  | "settle"
  /** Queue only. */
  | "signal";

export interface DrainTarget {
  readonly epoch: number;
  readonly style: DrainStyle;
  readonly quietMs: number;
  /**
   * No other generation takes over (a stop): new connections go on coming, so only those of the first
   * look are waited for, and then for a moment without any.
   */
  readonly isLast: boolean;
  processes(): number[];
  /** Inodes of all looks, also of a drain before this one. */
  readonly seen: Set<number>;
  /** Connections that it has open and that are another generation's already: inodes. */
  departed(): ReadonlySet<number>;
  /** Connections with a request are on their way to it: with `isLast` they are waited for too. */
  isExpecting(): boolean;
}

export class Drain {
  readonly #earlier = new Map<number, EarlierLook>();
  readonly #startedAt = performance.now();
  #halfOpen: Set<string> | null = null;
  /** Inodes of the first look. */
  #first: Set<number> | null = null;
  #busyOfFirst = 0;
  #firstDoneAt: number | null = null;
  #quietLooks = 0;
  #queueIsEmpty = false;
  #lookMs = FIRST_LOOK_MS;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #counts: ConnectionCounts = NO_CONNECTIONS;

  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly target: DrainTarget,
    readonly onDrained: () => void,
  ) {
    this.#look();
  }

  /** Counts of the latest look. */
  get counts(): ConnectionCounts {
    return this.#counts;
  }

  /** Since it began. */
  get lastedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Connections that were there at one of the looks at least. */
  get seen(): number {
    return this.target.seen.size;
  }

  /** Looks once more, for a report: busy is then who is owed an answer, however short the silence. */
  recount(): ConnectionCounts {
    this.#count(new SocketTable(this.platform, this.listeners), 0);
    return this.#counts;
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** A look that fails (no descriptor left) is no news: the next one follows. */
  #look(): void {
    this.#timer = null;
    let drained = false;
    try {
      drained = this.#isDrained();
    } finally {
      if (!drained) this.#timer = setTimeout(() => this.#look(), this.#nextLookMs());
    }
    if (drained) this.onDrained();
  }

  #isDrained(): boolean {
    for (const group of this.listeners.groupsOf(this.target.epoch)) group.findShutDown();
    const table = new SocketTable(this.platform, this.listeners);
    this.#count(table);
    if (!this.#queueIsEmpty) this.#queueIsEmpty = this.#checkQueue(table);
    return this.#queueIsEmpty && this.#isQuiet();
  }

  #nextLookMs(): number {
    if (!this.#queueIsEmpty) return QUEUE_LOOK_MS;
    const next = this.#lookMs;
    this.#lookMs = Math.min(this.#lookMs * 2, SLOWEST_LOOK_MS);
    return next;
  }

  #count(table: SocketTable, quietMs = this.target.quietMs): void {
    const departed = this.target.departed();
    const all = table.connectionsOf(this.target.processes());
    for (const { inode } of all) this.target.seen.add(inode);
    const connections = all
      .filter(({ inode }) => !departed.has(inode));
    this.#first ??= new Set(connections.map(({ inode }) => inode));
    const first = connections.filter(({ inode }) => this.#first?.has(inode));
    this.#busyOfFirst = countConnections(first, this.target.quietMs, this.#earlier).busy;
    const accepted = countConnections(connections, quietMs, this.#earlier);
    // Who waits in the queue is owed an answer too.
    const waiting = this.#waiting(table);
    const { total, busy, idle } = accepted;
    this.#counts = { total: total + waiting, busy: busy + waiting, idle };
  }

  #waiting(table: SocketTable): number {
    return this.listeners.groupsOf(this.target.epoch)
      .flatMap((group) => group.membersOf(this.target.epoch))
      .reduce((sum, member) => sum + table.backlogOf(member.inode), 0);
  }

  /** Those of the first look are done, and a moment without others has been waited for in vain. */
  #firstAreDone(): boolean {
    if (this.#busyOfFirst > 0) {
      this.#firstDoneAt = null;
      return false;
    }
    this.#firstDoneAt ??= performance.now();
    return performance.now() - this.#firstDoneAt >= SETTLE_MS;
  }

  #checkQueue(table: SocketTable): boolean {
    if (this.target.isLast) return true;
    // Handshakes of after the switch belong to other members: only those of the first looks count.
    const halfOpen = table.halfOpen();
    this.#halfOpen = this.#halfOpen === null
      ? halfOpen
      : new Set([...this.#halfOpen].filter((remote) => halfOpen.has(remote)));
    const isEmpty = this.#waiting(table) === 0 && this.#halfOpen.size === 0;
    this.#quietLooks = isEmpty ? this.#quietLooks + 1 : 0;
    return this.#quietLooks >= QUIET_LOOKS;
  }

  #isQuiet(): boolean {
    if (this.target.isLast && this.target.isExpecting()) return false;
    if (this.target.style === "signal" || this.#counts.busy === 0) return true;
    if (this.target.isLast && this.#firstAreDone()) return true;
    return this.target.style === "settle" && performance.now() - this.#startedAt >= SETTLE_MS;
  }
}
