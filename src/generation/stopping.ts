/** How one generation is emptied and stopped: its drain, its stop signal, and what they cut. */
import type { RunningContext } from "./context.ts";
import { Drain, type DrainStyle, type DrainTarget } from "../drain/drain.ts";
import { SocketTable, Tracks } from "../drain/connections.ts";
import type { GenerationTimer } from "../lifecycle/vocabulary.ts";
import { SystemCallError } from "../platform/error.ts";
import type { MoveCounts } from "../migration/in_flight.ts";
import { ConnectionTable } from "../migration/connection_table.ts";
import { Mover } from "../migration/mover.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";
import { describeVictims, killedText } from "../report/killed_processes.ts";
import type { ServerProcess } from "../process/server_process.ts";
import type { Timers } from "./timers.ts";
import { CutRecord } from "./cut_record.ts";
import { StopPolicy } from "./stop_policy.ts";

/** A server that finishes its requests by itself is told so after this time, whatever can be moved then. */
const MOVE_MS = 10_000;

export interface Stoppable {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly facts: GenerationFacts;
  readonly server: ServerProcess | null;
  readonly timers?: Pick<Timers<GenerationTimer>, "dueAtMs">;
  processes(): number[];
}

export class Stopping {
  readonly policy: StopPolicy;
  readonly #record: CutRecord;
  /** What was seen of its connections. */
  #tracks = new Tracks();
  #drain: Drain | null = null;
  #mover: Mover | null = null;
  /** Connections that it has had since its drain began. */
  readonly #seen = new Set<number>();
  /** Null: not by this baton. */
  #signalledAtMs: number | null = null;
  #hasSpared = false;

  constructor(readonly generation: Stoppable) {
    const { config, preset } = generation.context;
    this.policy = new StopPolicy(config, preset);
    this.#record = new CutRecord(generation.facts);
  }

  get tracks(): Tracks {
    return this.#tracks;
  }

  /** A first look, while its successor starts: what has moved on a connection until the drain begins is known then. */
  noteConnections(): void {
    const { platform, listeners } = this.generation.context;
    try {
      this.#tracks.note(new SocketTable(platform, listeners).sockets, performance.now());
    } catch (error) {
      // A look that fails is no news.
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  /** Connections that were seen from the start of the drain on. */
  get seen(): number {
    return this.#seen.size;
  }

  /** From the stop signal, now, to KILL. @param drainMs what the drain may take */
  stopTimeMs(drainMs: number): number {
    return this.policy.stopTimeMs(drainMs - (this.#drain?.lastedMs ?? 0));
  }

  /** Nothing is waited for any more. */
  cancel(): void {
    this.#drain?.cancel();
    this.#mover?.cancel();
    this.generation.context.migration?.preparing.delete(this.generation.epoch);
  }

  /** It serves again. */
  resumeServing(): void {
    this.cancel();
    this.#seen.clear();
    this.#drain = null;
    this.#tracks = new Tracks();
  }

  /**
   * Also once more, when it was needed beside its successor.
   * @param heirTakes what clients keep open can be given to the generation that serves now
   */
  beginDrain(isLast: boolean, heirTakes: boolean): void {
    const { context, epoch } = this.generation;
    const { listeners } = context;
    this.cancel();
    // It goes on accepting from a socket that it shares with its successor until it is told to stop.
    const shares = listeners.groupsOf(epoch).some((group) => group.isShared);
    // One whose shutdown(2) is not trapped could end what is the heir's already.
    const takes = heirTakes && this.generation.facts.takesConnections;
    // Only a generation that is about to get its stop signal gives connections away: one that still stands in does not.
    const isNeeded = listeners.standsIn(epoch);
    const moves = takes && !isLast && !shares && !isNeeded && this.policy.drainStyle !== "signal";
    if (moves) context.migration?.preparing.set(epoch, () => this.#stay());
    if (isLast) context.migration?.cancelAll();
    const style = (shares && !isLast) || moves ? "signal" : this.policy.drainStyle;
    this.#begin(isLast, style, moves ? () => this.#move() : undefined);
  }

  /** Nobody is left who could take its connections: they finish here, as without the option. */
  #stay(): void {
    this.cancel();
    this.#begin(false, this.policy.drainStyle);
  }

  #begin(isLast: boolean, style: DrainStyle, onDrained = () => this.#drained()): void {
    const { context, epoch } = this.generation;
    const { platform, listeners, config, migration } = context;
    const target: DrainTarget = {
      ...{
        epoch,
        style,
        isStop: isLast,
        quietMs: config.quietMs,
        tracks: this.#tracks,
        seen: this.#seen,
      },
      spreadMs: this.policy.spreadMs,
      processes: () => this.generation.processes(),
      movedAway: () => migration?.inFlight.inodes ?? new Set(),
      expectsRequests: () => migration?.inFlight.hasUnreadRequest ?? false,
      endsAtMs: () => this.#drainEndsAtMs(),
    };
    this.#drain = Drain.of(platform, listeners, target, {
      onDrained,
      onSpreadClosed: (inodes) => this.#closed(inodes),
      onSpreadRefused: () =>
        context.log(
          `generation ${epoch}: its connections cannot be closed one by one (--drain-spread): ` +
            "baton may not reach them (pidfd_getfd): long-lived ones end with the server",
        ),
    });
    this.#drain.begin();
  }

  /** The time from the stop signal to KILL begins with what is left of the drain time. */
  #drainEndsAtMs(): number | null {
    const { timers, context: { config } } = this.generation;
    const drainAtMs = timers?.dueAtMs("drain") ?? null;
    const killAtMs = timers?.dueAtMs("stop") ?? null;
    return drainAtMs ?? (killAtMs === null ? null : killAtMs - config.stopTimeMs);
  }

  /** Long-lived connections were closed because the drain time is nearly over. */
  #closed(inodes: readonly number[]): void {
    const { context, epoch } = this.generation;
    if (this.#record.closedOneByOne === 0) {
      context.log(`generation ${epoch}: long-lived connections are closed one by one`);
    }
    this.#record.closed(inodes);
  }

  #drained(): void {
    const { context, epoch } = this.generation;
    context.dispatch({ kind: "drained", epoch });
  }

  /** Nobody is in its queue any more: waits for the moment when what clients keep open can be moved. */
  #move(): void {
    const { context, epoch } = this.generation;
    const { platform, listeners, config, migration } = context;
    if (migration === null) return;
    this.#mover = new Mover(platform, {
      table: new ConnectionTable(platform, listeners, () => this.generation.processes()),
      inFlight: migration.inFlight,
      hasSuccessor: (group) => !group.receivingEpochs.has(epoch),
      quietMs: config.quietMs,
      drainTimeMs: config.drainTimeMs,
      settleMs: this.policy.drainStyle === "settle" ? MOVE_MS : Infinity,
      isBusy: (inode) => this.#drain?.mayOwe(inode) ?? false,
      onOutcome: (how) => this.#crossed(how),
      onCommitted: ({ moved, finished: ended, left }) => {
        const finished = Math.max(0, ended - this.#record.closedOneByOne);
        this.generation.facts.kept = { moved, finished, left };
        migration.preparing.delete(epoch);
        context.log(
          `generation ${epoch}: connections that clients keep open: ` +
            `${moved} move, ${finished} have ended, ${left} stay`,
        );
        this.#drained();
      },
    });
  }

  /** One that was on its way is there, or somewhere else. */
  #crossed(how: keyof MoveCounts): void {
    const { facts } = this.generation;
    if (how === "dropped") facts.cut++;
    const { kept } = facts;
    if (how !== "returned" || kept === null) return;
    facts.kept = { ...kept, moved: kept.moved - 1, left: kept.left + 1 };
  }

  signalStop(): void {
    // The drain time is over: whoever is between two requests now is on the way before the signal.
    this.#mover?.commit();
    const { facts, server: server } = this.generation;
    // A server that is known to finish its requests may still do so; another one cuts them now.
    const isCut = !this.policy.finishesRequests;
    facts.stopSent = true;
    this.#signalledAtMs = performance.now();
    if (isCut) this.#drain?.cancel();
    this.#cutBy(isCut, () => server?.signal(this.policy.stopSignal));
  }

  /** @param isOverdue it had its time, or somebody insists: whom it meets is said */
  kill(isOverdue = false): void {
    this.cancel();
    const { facts, server: server } = this.generation;
    if (isOverdue) this.#sayKilled();
    const isCut = this.policy.finishesRequests || !facts.stopSent || this.#hasSpared;
    this.#cutBy(isCut, () => server?.kill());
  }

  /** The leading process has ended: what is open in those that it leaves was not cut by its signal. */
  spareRest(): void {
    const { context: { platform, listeners } } = this.generation;
    try {
      const open = new SocketTable(platform, listeners).connectionsOf(this.generation.processes());
      this.#hasSpared = this.#record.uncount(open.map(({ inode }) => inode)) > 0;
    } catch (error) {
      // A look that fails is no news.
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  /** They have had their time to finish, and get the signal now. */
  cutRest(): void {
    if (this.#hasSpared && this.#drain !== null) this.#record.cutAll(this.#drain);
  }

  #sayKilled(): void {
    const { context, epoch } = this.generation;
    const afterMs = this.#signalledAtMs === null ? null : performance.now() - this.#signalledAtMs;
    const killed = describeVictims(epoch, this.generation.processes(), afterMs);
    if (killed.length === 0) return;
    context.leftovers.killed.push(...killed);
    context.logError(`generation ${epoch}: ${killedText(killed)}`);
  }

  /** Counts what a signal will cut, before it is sent; a count that fails never stops the signal. */
  #cutBy(isCut: boolean, send: () => void): void {
    try {
      if (isCut && this.#drain !== null) this.#record.cutAll(this.#drain);
    } finally {
      send();
    }
  }
}
