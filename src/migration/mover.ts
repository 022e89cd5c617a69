/**
 * Finds the moment in which the connections that clients keep open can be moved: each is between two requests, and
 * nothing else is owed. Looks at all of them every few milliseconds; `connection.ts` decides.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import {
  firstLook,
  isHeldBack,
  type Look,
  nextLook,
  readBy,
  sent,
  type Watched,
} from "./connection.ts";
import { isBlocking, look, open, pause } from "./pause.ts";
import type { MoverOptions } from "./mover_options.ts";
import { Rounds } from "./rounds.ts";
import { type Verdict, verdict } from "./movable.ts";
import { type Entry, Watchlist } from "./watchlist.ts";

/** Between two looks at all of them. */
const SCAN_MS = 4;
const FIND_MS = 50;
/** Before any is touched: those that are read in blocking mode can be seen, if there are any. */
const PREVIEW_MS = 30;
const ENOUGH_EVIDENCE = 20;
/** So many are let in at a time, and followed closely: their next request is not to come unseen. */
const ROOM = 4;
/** Who is not read from within this time is followed like the others. */
const CLOSELY_MS = 10;
/** The event loop has other things to do. */
const FOLLOW_MS = 4;
/** Clients that think are waited for, to see that they speak HTTP. */
const SEE_MS = 2_000;
const BETWEEN_LOOK_MS = 100;

export class Mover {
  readonly #list: Watchlist;
  readonly #startedAt = performance.now();
  readonly #rounds: Rounds;
  #foundAtMs = -Infinity;
  #lookMs = SCAN_MS;
  #scannedAtMs = -Infinity;
  /** They were let in a moment ago. */
  readonly #followed = new Set<Entry>();
  /** They are to be let in, the one that has waited longest first. */
  #waiting: Entry[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isOver = false;
  #canBlock = false;
  /** How often a connection was looked at just after its server has read from it. */
  #evidence = 0;

  constructor(readonly platform: Platform, readonly options: MoverOptions) {
    this.#list = new Watchlist(platform, options.listeners, () => options.processes());
    this.#rounds = new Rounds(this.#startedAt, options.drainTimeMs);
    this.#timer = setTimeout(() => this.#tick(), 0);
  }

  #tick(): void {
    this.#timer = null;
    try {
      const atMs = performance.now();
      if (atMs - this.#foundAtMs >= FIND_MS) {
        this.#foundAtMs = atMs;
        this.#list.find();
      }
      if (atMs - this.#startedAt < PREVIEW_MS) this.#preview();
      else if (this.#rounds.isAttempt(atMs)) this.#work(atMs);
      else this.#letBe();
      if (this.#mayCommit(atMs)) return this.commit();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
    const isAtWork = this.#rounds.sinceMs < 0 || this.#followed.size > 0 ||
      this.#waiting.length > 0;
    this.#timer = setTimeout(() => this.#tick(), isAtWork ? 0 : this.#lookMs);
  }

  #preview(): void {
    for (const entry of this.#list.entries) {
      using socket = this.#list.duplicate(entry);
      if (socket !== null) this.#see(socket, entry);
    }
  }

  /** A look at what is there now, and at how it is read. */
  #see(socket: Fd, entry: Entry): Look | null {
    const { platform, options: { quietMs } } = this;
    const reads = isBlocking(platform, socket);
    if (reads) this.#canBlock = true;
    const seen = look(platform, socket, { atMs: performance.now(), quietMs });
    if (seen === null) return null;
    // It was in use a moment ago: had it been read in blocking mode, that might have been seen.
    if (!reads && entry.look !== null && entry.look.received !== seen.received) this.#evidence++;
    entry.look = seen;
    return seen;
  }

  /** Between two attempts nobody is held back, and all begin anew. */
  #letBe(): void {
    this.#lookMs = BETWEEN_LOOK_MS;
    this.#followed.clear();
    this.#waiting = [];
    for (const entry of this.#list.entries) {
      using socket = this.#list.duplicate(entry);
      if (socket === null) continue;
      if (entry.watched !== null) {
        open(this.platform, socket);
        entry.waited = entry.watched.waited;
      }
      entry.watched = null;
      this.#see(socket, entry);
    }
  }

  #work(atMs: number): void {
    this.#lookMs = SCAN_MS;
    this.#rounds.turn(atMs, this.#list.size);
    if (atMs - this.#scannedAtMs >= SCAN_MS) this.#scan(atMs);
    this.#follow(atMs + FOLLOW_MS);
  }

  /** Looks at all of whom something may have become. */
  #scan(atMs: number): void {
    this.#scannedAtMs = atMs;
    for (const entry of this.#list.entries) {
      if (this.#isOpen(entry.watched)) this.#lookAt(entry, false);
    }
    this.#waiting = this.#list.entries
      .filter(({ watched }) => watched?.phase === "waiting")
      .sort((a, b) => (a.watched?.sinceMs ?? 0) - (b.watched?.sinceMs ?? 0));
  }

  /** Something may have become of it; else it waits for us. */
  #isOpen(watched: Watched | null): boolean {
    switch (watched?.phase) {
      case "boundary":
        return watched.sinceMs < this.#rounds.sinceMs;
      case "waiting":
      case "unfit":
        return false;
      default:
        return true;
    }
  }

  #lookAt(entry: Entry, hasRoom: boolean): void {
    using socket = this.#list.duplicate(entry);
    if (socket !== null) this.#lookBy(socket, entry, hasRoom);
  }

  #lookBy(socket: Fd, entry: Entry, hasRoom: boolean): void {
    const { platform, options: { quietMs } } = this;
    const seen = this.#see(socket, entry);
    if (seen === null) return;
    const { atMs } = seen;
    const terms = { heldSinceMs: this.#rounds.sinceMs, hasRoom, quietMs };
    const { watched, order } = entry.watched === null
      ? firstLook(seen, entry.waited)
      : nextLook(entry.watched, seen, terms);
    // Who is held back already, and is read from without being woken, must not be forgotten.
    const pauses = order === "pause" && !isHeldBack(entry.watched);
    if (pauses && !this.#mayPause(socket, seen)) return;
    if (pauses) pause(platform, socket);
    if (order === "open") open(platform, socket);
    entry.watched = watched;
    const isFollowed = watched.phase === "open" && atMs - watched.sinceMs < CLOSELY_MS;
    if (isFollowed) this.#followed.add(entry);
    else this.#followed.delete(entry);
  }

  /**
   * Some servers wait in select(2), and then read in blocking mode: when such a one has been woken, it must not find
   * its connection paused. Of these, and as long as too little was seen of how a server reads, only connections are
   * paused on which nothing has come; and never one in blocking mode.
   */
  #mayPause(socket: Fd, { unread }: Look): boolean {
    if (isBlocking(this.platform, socket)) {
      this.#canBlock = true;
      return false;
    }
    return unread === 0 || (!this.#canBlock && this.#evidence >= ENOUGH_EVIDENCE);
  }

  /** Looks as often as it can at those that were let in, and lets others in for those that are through. */
  #follow(untilMs: number): void {
    using held = new DisposableStack();
    const sockets = new Map<Entry, Fd>();
    for (;;) {
      while (this.#followed.size < ROOM) {
        const next = this.#waiting.shift();
        if (next === undefined) break;
        this.#lookAt(next, true);
      }
      if (this.#followed.size === 0) return;
      for (const entry of this.#followed) {
        const socket = sockets.get(entry) ?? this.#list.duplicate(entry);
        if (socket === null) this.#followed.delete(entry);
        else if (!sockets.has(entry)) sockets.set(entry, held.use(socket));
        if (socket !== null) this.#lookBy(socket, entry, false);
      }
      if (performance.now() >= untilMs) return;
    }
  }

  #verdictOf({ inode, watched, look: seen }: Entry): Verdict {
    const isWaitedFor = performance.now() - this.#startedAt < SEE_MS;
    const found = verdict(watched, seen, { quietMs: this.options.quietMs, isWaitedFor });
    return found === "stays" && this.options.isOwed?.(inode) ? "busy" : found;
  }

  /** @param atMs when this tick began: until then, only a preview may have been had */
  #mayCommit(atMs: number): boolean {
    const elapsedMs = atMs - this.#startedAt;
    if (elapsedMs < PREVIEW_MS) return false;
    if (elapsedMs >= this.options.settleMs) return true;
    const isBusy = (entry: Entry) => this.#verdictOf(entry) === "busy";
    if (this.#list.entries.some(isBusy)) return false;
    // Those that are held have not been looked at since.
    for (const entry of this.#list.entries) {
      if (entry.watched?.phase === "boundary") this.#lookAt(entry, false);
    }
    return !this.#list.entries.some(isBusy);
  }

  /** Sends on their way whoever is ready now; the others stay with the server. */
  commit(): void {
    if (!this.#stop()) return;
    const { crossings, onReady } = this.options;
    const { entries, seen } = this.#list;
    const ready = new Set(
      entries.filter((entry) => this.#isReady(entry)).slice(0, crossings.room),
    );
    const staying = entries.filter((entry) => !ready.has(entry) && isHeldBack(entry.watched));
    // First, as long as there are descriptors.
    const shut = this.#list.letIn(staying);
    const unsent = [...ready].filter((entry) => !this.#send(entry));
    const moved = ready.size - unsent.length;
    const left = this.#list.entries.length - moved;
    this.#release([...shut, ...unsent]);
    onReady({ moved, left, finished: seen - moved - left });
  }

  #isReady(entry: Entry): boolean {
    const outcome = this.#verdictOf(entry);
    if (outcome !== "moves" && outcome !== "rests") return false;
    const group = this.#list.groupOf(entry);
    return group !== null && this.options.isSucceeded(group);
  }

  /** @returns true when it is on its way */
  #send(entry: Entry): boolean {
    const { inode, place, look: seen } = entry;
    const group = this.#list.groupOf(entry);
    if (group === null || seen === null) return false;
    const socket = this.#list.duplicate(entry);
    if (socket === null) return false;
    const { crossings, onEnd } = this.options;
    const counts = { read: readBy(seen), sent: sent(seen) };
    crossings.add({ inode, socket, place, group, ...counts, onEnd });
    return true;
  }

  /** Nobody is to be moved any more: every connection is as it was. */
  cancel(): void {
    if (this.#stop()) this.#release(this.#list.entries);
  }

  /** Nobody of these is held back any more, as soon as there are descriptors to reach them by. */
  #release(entries: readonly Entry[]): void {
    const shut = this.#list.letIn(entries);
    if (shut.length === 0) this.#list.close();
    else this.#timer = setTimeout(() => this.#release(shut), SCAN_MS);
  }

  /** @returns false when it is over already */
  #stop(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    return true;
  }
}
