/**
 * Drains one generation that gets no new connections (or is about to stop), by watching its connections from outside.
 *
 * First its accept queues must be empty, with no handshake left from before the switch; then, unless the style is
 * "signal", no connection may block the drain (classify.ts). It never gives up by itself: the drain deadline is a timer
 * of the lifecycle. It keeps sampling until it is cancelled, so that the connections a signal cuts are known.
 */
import type { Clock, Timer } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import { runnablePerProcessor } from "../platform/processors.ts";
import type { Listeners } from "../steering/listeners.ts";
import { CheckedConnections } from "./checked_connections.ts";
import { ConnectionCloser } from "./connection_closer.ts";
import { type Census, joinCensuses, SocketTable, takeCensus, type Tracks } from "./connections.ts";
import { ModeQuestions } from "./mode_questions.ts";
import { EmptyQueues } from "./empty_queues.ts";
import { lateConnectMs } from "./late_connects.ts";
import { Pace } from "./pace.ts";
import { SpreadClose } from "./spread_close.ts";
import { mayPause } from "./track.ts";
import { UnixConnections, unixListenersOf } from "./unix/unix_connections.ts";
import { STOP_PATIENCE_MS } from "./unix/unix_judgement.ts";

/** A server that finishes its requests by itself gets this long to do so before its signal. */
const SETTLE_MS = 1_000;

export type DrainStyle =
  /** Until every connection is idle or gone. */
  | "quiesce"
  /** The same, for at most SETTLE_MS: for servers that finish requests after their signal. */
  | "settle"
  /** Queue only. */
  | "signal";

interface DrainTarget {
  readonly epoch: number;
  readonly style: DrainStyle;
  readonly quietMs: number;
  /**
   * No other generation takes over, so new connections keep coming: the drain waits only for those of the first sample,
   * and then for SETTLE_MS.
   */
  readonly isStop: boolean;
  processes(): number[];
  /** Processes of the generation that connections may have been passed to. */
  otherProcesses(): readonly number[];
  /** Whether new clients wait until this generation has stopped. */
  readonly isHeld: boolean;
  /** Inodes in all samples, including those of an earlier drain. */
  readonly seen: Set<number>;
  /** Inodes of connections that it has open but that have moved to another generation. */
  movedAway(): ReadonlySet<number>;
  /** Whether nothing new is led to this generation. Missing: that is so from the switch on. */
  isLedAway?(): boolean;
  /** Whether connections with an unread request are moving to it: with `isStop` the drain waits for them too. */
  expectsRequests(): boolean;
  /** When the drain time ends, on the clock of the platform; null: not known (yet). */
  endsAtMs(): number | null;
  /** The part at the end of the drain time in which long-lived connections are closed. */
  readonly spreadMs: number;
  readonly tracks: Tracks;
  /** Called once. */
  onDrained(): void;
  onSpreadClosed(inodes: readonly number[]): void;
  onSpreadRefused(): void;
}

/** The outside of a drain; unit tests have their own. */
interface DrainParts {
  readonly clock: Clock;
  readonly listeners: Pick<Listeners, "deafEpoch" | "groupsOf">;
  readonly spread: Pick<SpreadClose, "closeDue" | "closer">;
  readonly questions: Pick<ModeQuestions, "ask">;
  readTable(): SocketTable;
  runnablePerProcessor(): number | null;
}

export class Drain {
  /** The connections at the latest sample. */
  census = takeCensus([], 0);
  /** Connections in its accept queues at the latest sample: they are owed an answer too. */
  waiting = 0;
  readonly #startedAtMs: number;
  readonly #queues = new EmptyQueues();
  #first: Set<number> | null = null;
  #firstDoneAtMs: number | null = null;
  /** When the table of the latest look had been read: its ages are not older. */
  #readAtMs = -Infinity;
  /** Whether a connection is between the handshake, the queue and accept(2). */
  #isArriving = false;
  #isLedAway = false;
  #isDrained = false;
  #hasReportedRefusal = false;
  readonly #connections: CheckedConnections;
  readonly #unix = new UnixConnections();
  readonly #pace = new Pace();
  #timer: Timer | null = null;

  constructor(readonly parts: DrainParts, readonly target: DrainTarget) {
    this.#startedAtMs = parts.clock.now();
    this.#connections = new CheckedConnections(target, () => target.otherProcesses());
  }

  static of(platform: Platform, listeners: Listeners, target: DrainTarget): Drain {
    const closer = new ConnectionCloser(platform, () => target.processes(), "both");
    const readTable = () => new SocketTable(platform, listeners);
    const spread = new SpreadClose(closer);
    const { clock } = platform;
    const questions = new ModeQuestions(clock);
    const parts = { clock, listeners, spread, questions, readTable, runnablePerProcessor };
    return new Drain(parts, target);
  }

  /** Takes a sample, which may be enough, and keeps sampling. */
  begin(): void {
    const { clock } = this.parts;
    const atMs = clock.now();
    let isDrained = false;
    let isSpreading = false;
    try {
      isDrained = this.#sample();
      isSpreading = this.#closeLongLived();
    } finally {
      // A sample that fails for lack of descriptors tells nothing: the next one follows.
      const nextMs = this.#nextSampleMs(this.#readAtMs - atMs, isSpreading);
      this.#timer = clock.after(nextMs, () => this.begin());
    }
    if (!isDrained || this.#isDrained) return;
    this.#isDrained = true;
    this.target.onDrained();
  }

  /**
   * Whether an answer is owed there, or may be: the connection is waited for, or the server often pauses for as long.
   */
  mayOwe(inode: number): boolean {
    if (this.census.blocking.has(inode)) return true;
    const track = this.target.tracks.get(inode);
    return track !== null &&
      mayPause(track, track.atMs - Math.max(track.sentAtMs, track.receivedAtMs));
  }

  get lastedMs(): number {
    return this.parts.clock.now() - this.#startedAtMs;
  }

  /** Samples again, so that `census` and `waiting` have what a signal will cut. */
  recount(): void {
    const table = this.#read();
    const isEmpty = ({ busy, undecided }: Census) => busy.size + undecided.size === 0;
    // Where nothing would be cut it does not matter which process has what open.
    if (isEmpty(this.census) && !this.#connections.mayGain(table)) {
      this.#count(table);
      if (isEmpty(this.census)) return;
    }
    this.#connections.check(table);
    this.#count(table, this.#connections.endingOf(table));
  }

  /** Waits again: it is reported once more when the generation is drained. */
  resume(): void {
    this.#isDrained = false;
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** @returns whether it is drained */
  #sample(): boolean {
    for (const group of this.parts.listeners.groupsOf(this.target.epoch)) group.findShutDown();
    const table = this.#read();
    if (this.#first === null && this.#connections.mayDiffer(table, this.target.quietMs)) {
      this.#connections.check(table);
    }
    this.#count(table);
    this.#askModes(table);
    if (!this.#queueIsEmpty) this.#lookAtQueues(table);
    this.#isLedAway = this.#isLedAway || (this.target.isLedAway?.() ?? true);
    if (!this.#isLedAway || !this.#queueIsEmpty || !this.#isQuiet()) return false;
    if (this.#isDrained || !this.#connections.mayGain(table)) return true;
    if (!this.#connections.check(table)) return true;
    this.#count(table);
    return this.#isQuiet();
  }

  #read(): SocketTable {
    const table = this.parts.readTable();
    this.#readAtMs = this.parts.clock.now();
    return table;
  }

  #askModes(table: SocketTable): void {
    const { census: { blocking, waitMs }, target } = this;
    // With a busy connection an answer would not end the drain.
    if (waitMs === null || this.#isDrained) return;
    const connections = this.#connections.of(table);
    if (this.parts.questions.ask(connections, blocking, target.tracks)) this.#count(table);
  }

  #nextSampleMs(costMs: number, isSpreading: boolean): number {
    const { target: { isHeld, spreadMs }, parts: { clock } } = this;
    const endsAtMs = this.target.endsAtMs() ?? Infinity;
    return this.#pace.next({
      costMs,
      isSpreading,
      isHeld,
      queueIsEmpty: this.#isLedAway && this.#queueIsEmpty,
      isDrained: this.#isDrained,
      waitMs: this.census.blocking.size > 0 ? this.census.waitMs : null,
      untilSpreadMs: spreadMs > 0 ? endsAtMs - spreadMs - clock.now() : Infinity,
    });
  }

  #count(table: SocketTable, all = this.#connections.of(table)): void {
    const { target } = this;
    const movedAway = target.movedAway();
    const { listeners } = this.parts;
    const atMs = this.#readAtMs;
    const unix = this.#unix.look(table.unix, unixListenersOf(listeners, target.epoch), {
      atMs,
      patienceMs: target.isStop ? STOP_PATIENCE_MS : Infinity,
      processes: () => target.processes(),
    });
    const ofUnix = [...unix.busy, ...unix.undecided];
    for (const inode of [...all.map(({ inode }) => inode), ...ofUnix]) target.seen.add(inode);
    const connections = all.filter(({ inode }) => !movedAway.has(inode));
    this.#first ??= new Set([...connections.map(({ inode }) => inode), ...ofUnix]);
    target.tracks.note(connections, atMs);
    this.census = joinCensuses(takeCensus(connections, target.quietMs, target.tracks), unix);
    // Clients that wait at a deaf generation wait for the one that follows it.
    const isDeaf = listeners.deafEpoch === target.epoch;
    const queues = listeners.groupsOf(target.epoch)
      .flatMap((group) => group.membersOf(target.epoch))
      .map(({ inode, unheld }) => ({ length: table.backlogOf(inode), isOwn: !isDeaf || !unheld }));
    const sum = (lengths: readonly { length: number }[]) =>
      lengths.reduce((total, { length }) => total + length, 0);
    this.waiting = sum(queues.filter(({ isOwn }) => isOwn));
    this.#isArriving = table.unacceptedOf(target) > sum(queues);
  }

  /** @returns whether more may have to be closed soon */
  #closeLongLived(): boolean {
    const { spreadMs } = this.target;
    const { spread, clock } = this.parts;
    const endsAtMs = this.target.endsAtMs();
    const atMs = clock.now();
    if (endsAtMs === null || spreadMs === 0 || atMs < endsAtMs - spreadMs) return false;
    const { blocking } = this.census;
    const period = { beganAtMs: this.#startedAtMs, endsAtMs, spreadMs };
    const { longLived, closed } = spread.closeDue(blocking, this.target.tracks, atMs, period);
    if (closed.length > 0) this.target.onSpreadClosed(closed);
    if (!spread.closer.isPermitted && longLived > 0 && !this.#hasReportedRefusal) {
      this.#hasReportedRefusal = true;
      this.target.onSpreadRefused();
    }
    // The remaining ones may turn out to be long-lived at the next sample.
    return spread.closer.isPermitted && blocking.size > 0;
  }

  /** Whether the connections of the first sample are done, and have been for SETTLE_MS. */
  #firstAreDone(): boolean {
    if (!this.census.blocking.isDisjointFrom(this.#first ?? new Set())) {
      this.#firstDoneAtMs = null;
      return false;
    }
    const atMs = this.parts.clock.now();
    this.#firstDoneAtMs ??= atMs;
    return atMs - this.#firstDoneAtMs >= SETTLE_MS;
  }

  get #queueIsEmpty(): boolean {
    return this.target.isStop || this.#queues.areProved;
  }

  #lookAtQueues(table: SocketTable): void {
    const mayConnect = table.unix.length > 0 &&
      this.lastedMs < lateConnectMs(this.parts.runnablePerProcessor());
    this.#queues.look({
      waiting: this.waiting,
      halfOpen: table.halfOpen(),
      mayCome: this.#isArriving || mayConnect,
    });
  }

  #isQuiet(): boolean {
    const { style, isStop } = this.target;
    if (isStop && this.target.expectsRequests()) return false;
    if (style === "signal") return true;
    if (this.census.blocking.size + this.waiting === 0) return true;
    if (isStop && this.#firstAreDone()) return true;
    return style === "settle" && this.lastedMs >= SETTLE_MS;
  }
}
