/**
 * Finds the moment at which the keep-alive connections of an old generation can be moved: each is between two requests
 * and no answer is owed. Samples all of them every few milliseconds; connection_state.ts decides on each.
 */
import type { Timer } from "../platform/clock.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import {
  type ConnectionState,
  firstTransition,
  isPaused,
  nextTransition,
  type Phase,
} from "./connection_state.ts";
import { BlockingReads } from "./blocking_reads.ts";
import type { TrackedConnection } from "./connection_table.ts";
import { HoldRounds } from "./hold_rounds.ts";
import type { MoverOptions } from "./mover_options.ts";
import { decideMove, type MoveDecision } from "./move_decision.ts";
import { paceAfter } from "./pace.ts";
import { holdAnswer, resume, type Sample, takeSample } from "./sample.ts";
import { freeStuckReads } from "./stuck_reads.ts";

/** Pause before the next try to reach connections, for lack of descriptors. */
const RETRY_MS = 4;
const REFRESH_MS = 50;
/** For this long connections are only sampled, to see whether the server reads in blocking mode. */
const PREVIEW_MS = 30;
/** Following blocks the event loop for at most this long. */
const FOLLOW_SLICE_MS = 4;
/** Clients get this long to send a request, which shows that they speak HTTP. */
const EARLY_MS = 2_000;
/** Phases from which a connection still gets to its next boundary in this round. */
const WAITING: readonly Phase[] = ["queued", "released", "answer_owed"];
/** Between two samples while no connection is held. */
const UNHELD_SCAN_MS = 100;

export class Mover {
  readonly #startedAtMs: number;
  readonly #rounds: HoldRounds;
  #refreshedAtMs = -Infinity;
  #pace = paceAfter(0, 0);
  #scanMs = this.#pace.scanMs;
  #scannedAtMs = -Infinity;
  readonly #followed = new Set<TrackedConnection>();
  /** Connections to be released, the longest wait first. */
  #queued: TrackedConnection[] = [];
  #timer: Timer | null = null;
  #isOver = false;
  readonly #blocking: BlockingReads;

  constructor(readonly platform: Platform, readonly options: MoverOptions) {
    this.#startedAtMs = platform.clock.now();
    this.#blocking = new BlockingReads(platform);
    // Some connections may be on their way to these processes: from now on only this mover pauses and resumes them.
    options.inFlight.wakeAccepted();
    const endMs = Math.min(options.drainTimeMs, options.settleMs);
    this.#rounds = new HoldRounds(this.#startedAtMs, endMs);
    this.#timer = platform.clock.after(0, () => this.#tick());
  }

  #tick(): void {
    const { clock } = this.platform;
    this.#timer = null;
    try {
      const atMs = clock.now();
      if (atMs - this.#refreshedAtMs >= REFRESH_MS) {
        this.#refreshedAtMs = atMs;
        this.options.table.refresh();
      }
      const isPreview = atMs - this.#startedAtMs < PREVIEW_MS;
      if (!isPreview && this.#rounds.mayHold(atMs)) this.#work(atMs);
      else this.#sampleOnly();
      if (this.#mayCommit(atMs)) return this.commit();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
    const isWorking = this.#rounds.startMs < 0 || this.#followed.size > 0 ||
      this.#queued.length > 0;
    this.#timer = clock.after(isWorking ? 0 : this.#scanMs, () => this.#tick());
  }

  /** Samples the connection, and notes how the server reads it. */
  #sample(socket: Fd, connection: TrackedConnection): Sample | null {
    const { platform, options: { quietMs } } = this;
    const blocks = this.#blocking.blocks(socket);
    const sample = takeSample(platform, socket, quietMs);
    if (sample === null) return null;
    if (!blocks) this.#blocking.note(connection.sample, sample);
    connection.sample = sample;
    return sample;
  }

  /** In the preview and between two attempts no connection is held, and every state starts over. */
  #sampleOnly(): void {
    const { table } = this.options;
    this.#scanMs = UNHELD_SCAN_MS;
    this.#followed.clear();
    this.#queued = [];
    for (const connection of table.connections) {
      using socket = table.duplicate(connection);
      if (socket === null) continue;
      this.#startOver(socket, connection);
      this.#sample(socket, connection);
    }
  }

  #startOver(socket: Fd, connection: TrackedConnection): void {
    this.options.table.letAnswer(socket, connection);
    if (connection.state !== null) {
      resume(this.platform, socket);
      connection.evidence = connection.state.evidence;
    }
    connection.state = null;
  }

  #work(atMs: number): void {
    this.#scanMs = this.#pace.scanMs;
    if (atMs - this.#scannedAtMs >= this.#scanMs) this.#scan(atMs);
    this.#follow(atMs + FOLLOW_SLICE_MS);
  }

  #scan(atMs: number): void {
    this.#scannedAtMs = atMs;
    const { table } = this.options;
    const isWaiting = ({ state }: TrackedConnection) => WAITING.includes(state?.phase ?? "idle");
    const waiting = this.#pace.isSlow ? table.connections.filter(isWaiting).length : 0;
    this.#rounds.advance(atMs, table.size, waiting);
    for (const connection of table.connections) {
      if (this.#mayHaveChanged(connection.state)) this.#check(connection, false);
    }
    this.#queued = table.connections
      .filter(({ state }) => state?.phase === "queued")
      .sort((a, b) => (a.state?.sinceMs ?? 0) - (b.state?.sinceMs ?? 0));
    this.#pace = paceAfter(this.platform.clock.now() - atMs, table.size);
  }

  /** Whether a state may have changed by itself; otherwise the connection waits for baton. */
  #mayHaveChanged(state: ConnectionState | null): boolean {
    if (state?.phase === "boundary") return state.sinceMs < this.#rounds.startMs;
    return state?.phase !== "queued" && state?.phase !== "unmovable";
  }

  #check(connection: TrackedConnection, mayRelease: boolean): void {
    using socket = this.options.table.duplicate(connection);
    if (socket !== null) this.#checkBy(socket, connection, mayRelease);
  }

  #checkBy(socket: Fd, connection: TrackedConnection, mayRelease: boolean): void {
    const { platform, options: { quietMs, table } } = this;
    const sample = this.#sample(socket, connection);
    if (sample === null) return;
    if (this.#blocking.isStuck(connection.state, sample)) {
      this.#startOver(socket, connection);
      return freeStuckReads(platform, connection.oldDescriptor);
    }
    const { isSlow, followedMs } = this.#pace;
    const terms = { roundStartMs: this.#rounds.startMs, mayRelease, isSlow, quietMs };
    const { state, action } = connection.state === null
      ? firstTransition(sample, connection.evidence)
      : nextTransition(connection.state, sample, terms);
    // A connection that is paused already, and was read without waking the server, takes its new state in any case.
    const pauses = action === "pause" && !isPaused(connection.state);
    const { holdsAnswer } = state;
    if (pauses && !this.#blocking.pause(socket, sample)) {
      table.letAnswer(socket, connection);
      if (connection.state !== null) connection.state = { ...connection.state, holdsAnswer: false };
      return;
    }
    if (holdsAnswer && !connection.isCorked) connection.isCorked = holdAnswer(platform, socket);
    if (action === "resume") resume(platform, socket);
    if (!holdsAnswer) table.letAnswer(socket, connection);
    const { isCorked } = connection;
    connection.state = holdsAnswer === isCorked ? state : { ...state, holdsAnswer: isCorked };
    const isFollowed = state.phase === "released" && (state.hasSlipped || isSlow) &&
      sample.atMs - state.sinceMs < followedMs;
    if (isFollowed) this.#followed.add(connection);
    else this.#followed.delete(connection);
  }

  /** Samples released connections as often as possible, and releases the next one for each that is answered. */
  #follow(untilMs: number): void {
    const { table } = this.options;
    using held = new DisposableStack();
    const sockets = new Map<TrackedConnection, Fd>();
    for (;;) {
      while (this.#followed.size < this.#pace.mostFollowed) {
        const next = this.#queued.shift();
        if (next === undefined) break;
        this.#check(next, true);
      }
      if (this.#followed.size === 0) return;
      for (const connection of this.#followed) {
        const socket = sockets.get(connection) ?? table.duplicate(connection);
        if (socket === null) this.#followed.delete(connection);
        else if (!sockets.has(connection)) sockets.set(connection, held.use(socket));
        if (socket !== null) this.#checkBy(socket, connection, false);
      }
      if (this.platform.clock.now() >= untilMs) return;
    }
  }

  #decide({ inode, state, sample }: TrackedConnection): MoveDecision {
    const isEarly = this.platform.clock.now() - this.#startedAtMs < EARLY_MS;
    const decision = decideMove(state, sample, { quietMs: this.options.quietMs, isEarly });
    return decision === "stay" && this.options.isBusy?.(inode) ? "wait" : decision;
  }

  /** @param atMs start of this tick; in the first ticks connections were only previewed */
  #mayCommit(atMs: number): boolean {
    const { table, settleMs } = this.options;
    const elapsedMs = atMs - this.#startedAtMs;
    if (elapsedMs < PREVIEW_MS) return false;
    if (elapsedMs >= settleMs) return true;
    const mustWait = (connection: TrackedConnection) => this.#decide(connection) === "wait";
    if (table.connections.some(mustWait)) return false;
    // Held connections were skipped by the scan.
    for (const connection of table.connections) {
      if (connection.state?.phase === "boundary") this.#check(connection, false);
    }
    return !table.connections.some(mustWait);
  }

  /** Starts the move of every connection that is ready now; the others stay with the old server. */
  commit(): void {
    if (!this.#stop()) return;
    const { table, inFlight, onCommitted } = this.options;
    const { connections, totalSeen } = table;
    const ready = new Set(
      connections.filter((each) => this.#isReady(each)).slice(0, inFlight.capacity),
    );
    const isHeld = ({ state, isCorked }: TrackedConnection) => isPaused(state) || isCorked;
    const staying = connections.filter((each) => !ready.has(each) && isHeld(each));
    // Those that stay come first, while there are descriptors to reach them by.
    const unreached = table.resume(staying);
    const unsent = [...ready].filter((connection) => !this.#send(connection));
    const moved = ready.size - unsent.length;
    const left = table.size - moved;
    this.#release([...unreached, ...unsent]);
    onCommitted({ moved, left, finished: totalSeen - moved - left });
  }

  #isReady(connection: TrackedConnection): boolean {
    const decision = this.#decide(connection);
    if (decision !== "move_now" && decision !== "move_idle") return false;
    const group = this.options.table.groupOf(connection);
    return group !== null && this.options.hasSuccessor(group);
  }

  /** @returns whether it is in flight now */
  #send(connection: TrackedConnection): boolean {
    const { table, inFlight, onOutcome } = this.options;
    const { inode, oldDescriptor, sample } = connection;
    const group = table.groupOf(connection);
    if (group === null || sample === null) return false;
    const socket = table.duplicate(connection);
    if (socket === null) return false;
    const { read, sent } = sample;
    const { mayBlock } = this.#blocking;
    inFlight.start({ inode, socket, oldDescriptor, group, mayBlock, read, sent, onOutcome });
    return true;
  }

  /** Gives the move up: every connection is as it was before. */
  cancel(): void {
    if (this.#stop()) this.#release(this.options.table.connections);
  }

  /** Resumes these connections, as soon as there are descriptors to reach them by. */
  #release(connections: readonly TrackedConnection[]): void {
    const unreached = this.options.table.resume(connections);
    if (unreached.length === 0) this.options.table.close();
    else this.#timer = this.platform.clock.after(RETRY_MS, () => this.#release(unreached));
  }

  /** @returns false when it is over already */
  #stop(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#timer?.cancel();
    return true;
  }
}
