/**
 * Emptying one generation that gets no new connections (or is to stop): from outside, by looking.
 *
 * Order: its accept queues are empty and no handshake from before the switch is left; then, unless
 * the mode is "signal", no connection is waited for (classify.ts). It reports `drained` once, and never
 * gives up by itself: the limit is a timer of the lifecycle. It goes on looking until it is cancelled,
 * so that what is cut later is known then, and closes long-lived connections one by one before that.
 */
import type { Platform } from "../platform/platform.ts";
import type { Listeners } from "../steering/listeners.ts";
import {
  type Census,
  type ConnectionCounts,
  NO_CENSUS,
  SocketTable,
  takeCensus,
  Tracks,
} from "./connections.ts";
import { SpreadClose } from "./spread_close.ts";
import { isLongLived, mayPause } from "./track.ts";

/** Between two looks while the queue is not known to be empty. */
const QUEUE_LOOK_MS = 10;
/** Between two looks at connections; grows from the first to the second. */
const FIRST_LOOK_MS = 20;
const SLOWEST_LOOK_MS = 250;
/** When it is drained: its connections are being moved, or its server finishes them. */
const AFTER_LOOK_MS = 1_000;
/** While long-lived connections are closed. A look that takes long is followed by a pause so many times as long. */
const SPREAD_LOOK_MS = 40;
const PAUSE_PER_COST = 4;
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
  readonly isStop: boolean;
  processes(): number[];
  /** Inodes of all looks, also of a drain before this one. */
  readonly seen: Set<number>;
  /** Connections that it has open and that are another generation's already: inodes. */
  movedAway(): ReadonlySet<number>;
  /** Connections with a request are on their way to it: with `isStop` they are waited for too. */
  expectsRequests(): boolean;
  /** When the drain time will be over, on the clock of `performance.now()`; null: that is not known (yet). */
  endsAtMs(): number | null;
  /** Of the drain time, the part at its end in which long-lived connections are closed. */
  readonly spreadMs: number;
  /** What was seen of connections before. */
  readonly tracks?: Tracks;
}

/** What becomes of a drain. */
export interface DrainEvents {
  /** Once. */
  onDrained(): void;
  /** Long-lived connections were closed: inodes. */
  onSpreadClosed?(inodes: readonly number[]): void;
  /** They cannot be closed one by one. */
  onSpreadRefused?(): void;
}

export class Drain {
  readonly tracks: Tracks;
  readonly #spread: SpreadClose;
  readonly #startedAt = performance.now();
  #halfOpen: Set<string> | null = null;
  /** Inodes of the first look. */
  #first: Set<number> | null = null;
  #firstDoneAt: number | null = null;
  #quietLooks = 0;
  #queueIsEmpty = false;
  #isDrained = false;
  #saidNotSpread = false;
  #lookMs = FIRST_LOOK_MS;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #census: Census = NO_CENSUS;
  #waiting = 0;

  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly target: DrainTarget,
    readonly events: DrainEvents,
  ) {
    this.tracks = target.tracks ?? new Tracks();
    this.#spread = new SpreadClose(platform, () => target.processes());
  }

  /** Looks for the first time, which may be all that it takes. */
  begin(): void {
    this.#look();
  }

  /** Of the latest look. */
  get census(): Census {
    return this.#census;
  }

  /** Counts of the latest look. */
  get counts(): ConnectionCounts {
    const { total, busy, ...rest } = this.#census.counts;
    // Who waits in the queue is owed an answer too.
    return { total: total + this.#waiting, busy: busy + this.#waiting, ...rest };
  }

  /** Connections in its queue, at the latest look. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Something is owed there, or may be, because the server often pauses for as long. */
  mayOwe(inode: number): boolean {
    const track = this.tracks.get(inode);
    if (this.#census.busy.has(inode)) return true;
    return track !== null &&
      mayPause(track, track.atMs - Math.max(track.sentAtMs, track.receivedAtMs));
  }

  /** Since it began. */
  get lastedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Connections that were there at one of the looks at least. */
  get seen(): number {
    return this.target.seen.size;
  }

  /** Looks once more, for a report: `census` and `waiting` are of this moment then. */
  recount(): void {
    this.#count(new SocketTable(this.platform, this.listeners));
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** A look that fails (no descriptor left) is no news: the next one follows. */
  #look(): void {
    const atMs = performance.now();
    let isDrained = false;
    let isSpreading = false;
    try {
      isDrained = this.#see();
      isSpreading = this.#closeLongLived();
    } finally {
      const costMs = performance.now() - atMs;
      const nextMs = this.#nextLookMs(isSpreading ? costMs : null);
      this.#timer = setTimeout(() => this.#look(), nextMs);
    }
    if (!isDrained || this.#isDrained) return;
    this.#isDrained = true;
    this.events.onDrained();
  }

  #see(): boolean {
    for (const group of this.listeners.groupsOf(this.target.epoch)) group.findShutDown();
    const table = new SocketTable(this.platform, this.listeners);
    this.#count(table);
    if (!this.#queueIsEmpty) this.#queueIsEmpty = this.#checkQueue(table);
    return this.#queueIsEmpty && this.#isQuiet();
  }

  /** @param spreadCostMs of a look while connections are closed one by one; null: they are not */
  #nextLookMs(spreadCostMs: number | null): number {
    if (spreadCostMs !== null) return Math.max(SPREAD_LOOK_MS, spreadCostMs * PAUSE_PER_COST);
    if (!this.#queueIsEmpty) return QUEUE_LOOK_MS;
    const next = this.#lookMs;
    this.#lookMs = Math.min(this.#lookMs * 2, this.#isDrained ? AFTER_LOOK_MS : SLOWEST_LOOK_MS);
    const { endsAtMs, spreadMs } = this.target;
    const untilSpreadMs = (endsAtMs() ?? Infinity) - spreadMs - performance.now();
    return spreadMs > 0 && untilSpreadMs > 0 ? Math.min(next, untilSpreadMs) : next;
  }

  #count(table: SocketTable): void {
    const departed = this.target.movedAway();
    const all = table.connectionsOf(this.target.processes());
    for (const { inode } of all) this.target.seen.add(inode);
    const connections = all.filter(({ inode }) => !departed.has(inode));
    this.#first ??= new Set(connections.map(({ inode }) => inode));
    this.tracks.note(connections, performance.now());
    this.#census = takeCensus(connections, this.target.quietMs, this.tracks);
    this.#waiting = this.listeners.groupsOf(this.target.epoch)
      .flatMap((group) => group.membersOf(this.target.epoch))
      .reduce((sum, member) => sum + table.backlogOf(member.inode), 0);
  }

  /** @returns whether there may be such, and it is time */
  #closeLongLived(): boolean {
    const { spreadMs } = this.target;
    const endsAtMs = this.target.endsAtMs();
    const atMs = performance.now();
    if (endsAtMs === null || spreadMs === 0 || atMs < endsAtMs - spreadMs) return false;
    const beganAtMs = this.#startedAt;
    const span = { atMs, beganAtMs, drainMs: endsAtMs - beganAtMs };
    const longLived = [...this.#census.blocking].filter((inode) => {
      const track = this.tracks.get(inode);
      return track !== null && isLongLived(track, span);
    }).sort((a, b) => a - b);
    const window = { fromMs: Math.max(beganAtMs, endsAtMs - spreadMs), toMs: endsAtMs };
    const closed = this.#spread.closeDue(longLived, atMs, window);
    if (closed.length > 0) this.events.onSpreadClosed?.(closed);
    if (!this.#spread.isPermitted && longLived.length > 0 && !this.#saidNotSpread) {
      this.#saidNotSpread = true;
      this.events.onSpreadRefused?.();
    }
    // Of the others it may be known at the next look.
    return this.#spread.isPermitted && this.#census.blocking.size > 0;
  }

  /** Those of the first look are done, and a moment without others has been waited for in vain. */
  #firstAreDone(): boolean {
    for (const inode of this.#census.blocking) {
      if (!this.#first?.has(inode)) continue;
      this.#firstDoneAt = null;
      return false;
    }
    this.#firstDoneAt ??= performance.now();
    return performance.now() - this.#firstDoneAt >= SETTLE_MS;
  }

  #checkQueue(table: SocketTable): boolean {
    if (this.target.isStop) return true;
    // Handshakes of after the switch belong to other members: only those of the first looks count.
    const halfOpen = table.halfOpen();
    this.#halfOpen = this.#halfOpen === null
      ? halfOpen
      : new Set([...this.#halfOpen].filter((remote) => halfOpen.has(remote)));
    const isEmpty = this.#waiting === 0 && this.#halfOpen.size === 0;
    this.#quietLooks = isEmpty ? this.#quietLooks + 1 : 0;
    return this.#quietLooks >= QUIET_LOOKS;
  }

  #isQuiet(): boolean {
    if (this.target.isStop && this.target.expectsRequests()) return false;
    if (this.target.style === "signal") return true;
    if (this.#census.blocking.size + this.#waiting === 0) return true;
    if (this.target.isStop && this.#firstAreDone()) return true;
    return this.target.style === "settle" && performance.now() - this.#startedAt >= SETTLE_MS;
  }
}
