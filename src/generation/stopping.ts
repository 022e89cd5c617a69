/**
 * How one generation is drained and stopped: its drain, its stop signal, KILL, and what they cut. The lifecycle decides
 * when; how depends on the kernel's view (shared sockets, trapped calls).
 */
import { SocketTable, Tracks } from "../drain/connections.ts";
import { DatagramDrain } from "../drain/datagrams/datagram_drain.ts";
import { Drain, type DrainStyle } from "../drain/drain.ts";
import { ConnectionTable } from "../migration/connection_table.ts";
import { Mover } from "../migration/mover.ts";
import { SystemCallError } from "../platform/error.ts";
import { type UdpSocket, udpSockets } from "../platform/network/udp_table.ts";
import { processName } from "../platform/process/proc.ts";
import { holdDatagrams } from "../steering/held_queues.ts";
import { switchedDatagrams } from "../steering/switched_datagrams.ts";
import { describeVictims, killedText } from "../report/killed_processes.ts";
import { CutRecord, ignoringFailedLook } from "./cut_record.ts";
import { Farewell } from "./goodbye/farewell.ts";
import { spreadOf, StopPolicy } from "./stop_policy.ts";
import type { GenerationHandle, SharedParts } from "./handle.ts";

/** A server that finishes its requests by itself gets its signal after this time, whatever could still be moved. */
export const MOVE_MS = 10_000;

type Successor = Pick<GenerationHandle, "takesConnections" | "processes">;

export class Stopping {
  readonly policy: StopPolicy;
  /** What several looks at its connections have shown. */
  tracks = new Tracks();
  /** Connections since its drain began. */
  readonly seen = new Set<number>();
  readonly #record: CutRecord;
  readonly #farewell: Farewell;
  #drain: Drain | null = null;
  #mover: Mover | null = null;
  #datagrams: DatagramDrain | null = null;
  /** All UDP sockets of this machine, before the successor had any. */
  #udpSockets: readonly UdpSocket[] = [];
  /** When it got its stop signal; null: it has none, or not from this baton. */
  #signaledAtMs: number | null = null;
  #hasSpared = false;
  #successor: Successor | null = null;
  #isLast = false;

  constructor(readonly options: SharedParts) {
    const { config, preset } = options.context;
    this.policy = new StopPolicy(config, preset, () => processName(options.workers().pid ?? 0));
    this.#record = new CutRecord(options.facts);
    this.#farewell = new Farewell(options.context.platform.clock);
  }

  /** Takes a first look while the successor starts: before it has a UDP socket, and before it listens. */
  noteSockets(kind: "datagrams" | "connections"): void {
    if (kind === "datagrams") this.#udpSockets = udpSockets();
    else this.#noteConnections();
  }

  /** Notes the connections, so that at the drain it is known which have moved data since. */
  #noteConnections(): void {
    const { platform, listeners } = this.options.context;
    ignoringFailedLook(() => {
      const { sockets } = new SocketTable(platform, listeners);
      this.tracks.note(sockets, platform.clock.now());
      // The tags in use are noted for the successor, which then need not look: the kernel searches all of its table for
      // that.
      listeners.tagging.generations.note(sockets);
    });
  }

  stopTimeMs(drainMs: number): number {
    return this.policy.stopTimeMs(drainMs - (this.#drain?.lastedMs ?? 0));
  }

  cancel(): void {
    this.#farewell.cancel();
    this.#drain?.cancel();
    this.#mover?.cancel();
    this.#datagrams?.end();
    this.options.context.migration?.preparing.delete(this.options.epoch);
  }

  resumeServing(): void {
    this.cancel();
    this.seen.clear();
    this.#drain = null;
    this.tracks = new Tracks();
    for (const { goodbye } of this.options.workers().alive) goodbye.takeBack();
  }

  /**
   * Called again when the generation was needed beside its successor.
   * @param successor serves now; null: another baton's generation does, or none
   */
  beginDrain(isLast: boolean, successor: Successor | null): void {
    const { context: { listeners }, epoch, workers } = this.options;
    this.cancel();
    this.#successor = isLast ? null : successor;
    this.#isLast = isLast;
    // A generation that still stands in gets new clients: it is asked to say goodbye when it does so no more.
    const asked = listeners.standsIn(epoch) && !isLast ? [] : workers().alive;
    this.#farewell.say(asked, () => this.#beginWait(successor));
  }

  #beginWait(successor: Successor | null): void {
    const { context: { listeners, migration }, epoch, facts } = this.options;
    const { drainStyle } = this.policy;
    const isLast = this.#isLast;
    // On a socket that it shares with its successor it accepts until it gets the stop signal.
    const shares = listeners.groupsOf(epoch).some((group) => group.isShared);
    // Without a trapped shutdown(2) it could end connections that are the successor's already.
    const takes = successor?.takesConnections === true && facts.takesConnections;
    // Connections move only when the stop signal is next: a generation that still stands in keeps its own.
    const isNeeded = listeners.standsIn(epoch);
    // A generation that says goodbye ends its connections with their answers.
    const stays = isLast || shares || isNeeded || this.#farewell.hasSaid;
    const moves = takes && !stays && drainStyle !== "signal";
    // If no generation is left to take its connections, they finish here, as without migration.
    const keepConnections = () => {
      this.cancel();
      this.#startDrain(false, drainStyle);
    };
    if (moves) migration?.preparing.set(epoch, keepConnections);
    if (isLast) migration?.cancelAll();
    const style = (shares && !isLast) || moves ? "signal" : drainStyle;
    this.#startDrain(isLast, style, moves ? () => this.#move() : undefined);
  }

  #startDrain(isLast: boolean, style: DrainStyle, onDrained = () => this.#askStreams(style)): void {
    const { context: { platform, listeners, front, config, migration, log }, epoch, workers } =
      this.options;
    const isHeld = !isLast && listeners.groups.some((group) => group.isHeld);
    this.#drain = Drain.of(platform, listeners, {
      epoch,
      style,
      isStop: isLast,
      isHeld,
      quietMs: this.#farewell.quietMs(config.quietMs, isLast || isHeld),
      tracks: this.tracks,
      seen: this.seen,
      spreadMs: spreadOf(config, this.policy.drainTimeMs(isLast)),
      processes: () => workers().processes(),
      otherProcesses: () => this.#successor?.processes() ?? [],
      movedAway: () => migration?.inFlight.inodes ?? new Set(),
      isLedAway: () => front?.hasLeft(epoch) ?? true,
      expectsRequests: () => migration?.inFlight.hasUnreadRequest ?? false,
      endsAtMs: () => this.#drainEndsAtMs(),
      onDrained,
      onSpreadClosed: (inodes) => {
        const isFirst = this.#record.closedOneByOne === 0;
        if (isFirst) log(`generation ${epoch}: long-lived connections are closed one by one`);
        this.#record.closed(inodes);
      },
      onSpreadRefused: () =>
        log(
          `generation ${epoch}: its connections cannot be closed one by one (--drain-spread): ` +
            "baton may not reach them (pidfd_getfd): long-lived ones end with the server",
        ),
    });
    this.#drain.begin();
  }

  /** From the stop signal on, the rest of the drain time comes before the stop time. */
  #drainEndsAtMs(): number | null {
    const { timers, context: { config } } = this.options;
    const killAtMs = timers.dueAtMs("stop");
    return timers.dueAtMs("drain") ?? (killAtMs === null ? null : killAtMs - config.stopTimeMs);
  }

  #askStreams(style: DrainStyle): void {
    // Meanwhile a kept connection may have got a request.
    const then = (hasWaited: boolean) => hasWaited ? this.#drain?.resume() : this.#reportDrained();
    this.#farewell.askStreams(this.options.workers().alive, { waits: style !== "signal", then });
  }

  /** Reports that it is drained, once its UDP queues are empty, too. */
  #reportDrained(): void {
    const { context: { platform, listeners, dispatch }, epoch, workers } = this.options;
    const onDrained = () => dispatch({ kind: "drained", epoch });
    if (this.#isLast) return onDrained();
    this.#holdDatagrams();
    const successor = this.#successor;
    this.#datagrams = new DatagramDrain(platform, {
      before: successor === null ? [] : this.#udpSockets,
      processes: () => workers().processes(),
      successor: () => successor?.processes() ?? [],
      switched: () => switchedDatagrams(listeners, epoch),
      isHeld: listeners.heldEpoch === epoch,
      isMember: (inode) => listeners.findMember(inode) !== null,
      onDrained,
    });
    this.#datagrams.begin();
  }

  /** Its accept queue is empty: moves keep-alive connections, each as soon as it can be. */
  #move(): void {
    const { context: { platform, listeners, config, migration, log }, epoch, workers } =
      this.options;
    if (migration === null) return;
    this.#mover = new Mover(platform, {
      table: new ConnectionTable(platform, listeners, () => workers().processes()),
      inFlight: migration.inFlight,
      hasSuccessor: (group) => !group.receivingEpochs.has(epoch),
      quietMs: config.quietMs,
      drainTimeMs: config.drainTimeMs,
      settleMs: this.policy.drainStyle === "settle" ? MOVE_MS : Infinity,
      isBusy: (inode) => this.#drain?.mayOwe(inode) ?? false,
      onOutcome: (how) => this.#onMoveEnd(how),
      onCommitted: ({ moved, finished: ended, left }) => {
        const finished = Math.max(0, ended - this.#record.closedOneByOne);
        this.options.facts.kept = { moved, finished, left };
        migration.preparing.delete(epoch);
        log(
          `generation ${epoch}: keep-alive connections: ` +
            `${moved} move, ${finished} have ended, ${left} stay`,
        );
        this.#reportDrained();
      },
    });
  }

  #onMoveEnd(how: Parameters<Mover["options"]["onOutcome"]>[0]): void {
    const { facts } = this.options;
    if (how === "dropped") facts.cut++;
    const { kept } = facts;
    if (how !== "returned" || kept === null) return;
    facts.kept = { ...kept, moved: kept.moved - 1, left: kept.left + 1 };
  }

  /** Makes new datagrams wait for the generation that starts when this one has exited (--order stop-first). */
  #holdDatagrams(): void {
    const { context: { listeners, logError }, epoch } = this.options;
    try {
      holdDatagrams(listeners, epoch);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      logError(`generation ${epoch}: a datagram may get no answer: ${error.message}`);
    }
  }

  signalStop(): void {
    this.#farewell.cutShort();
    // The drain may not have come to its end: its time may be over.
    this.#holdDatagrams();
    // The drain time is over: a connection between two requests moves before the signal.
    this.#mover?.commit();
    const { facts, workers, context: { platform: { clock } } } = this.options;
    // Unless the server is known to finish its requests, the signal cuts them.
    const isCut = !this.policy.finishesRequests;
    facts.stopSent = true;
    this.#signaledAtMs = clock.now();
    if (isCut) this.#drain?.cancel();
    this.#cutBy(isCut, () => workers().signalStop(this.policy.leaderSignal));
  }

  /** @param isOverdue its time is over, or the user insists: the killed processes are logged */
  kill(isOverdue = false): void {
    this.#farewell.cutShort();
    this.cancel();
    const { facts, workers } = this.options;
    if (isOverdue) this.#logKilled();
    const isCut = this.policy.finishesRequests || !facts.stopSent || this.#hasSpared;
    this.#cutBy(isCut, () => workers().kill());
  }

  /** The leading process has exited: its signal did not cut what remaining processes have open. */
  spareRest(): void {
    const { context: { platform, listeners }, epoch, workers } = this.options;
    ignoringFailedLook(() => {
      const rest = { epoch, processes: () => workers().processes() };
      const open = new SocketTable(platform, listeners).connectionsOf(rest);
      this.#hasSpared = this.#record.uncount(open.map(({ inode }) => inode)) > 0;
    });
  }

  /** The remaining processes have had their time to finish, and get the signal now. */
  cutRest(): void {
    if (this.#hasSpared && this.#drain !== null) this.#record.cutAll(this.#drain);
  }

  #logKilled(): void {
    const { context: { platform, leftovers, logError }, epoch, workers } = this.options;
    const sinceMs = this.#signaledAtMs;
    const afterMs = sinceMs === null ? null : platform.clock.now() - sinceMs;
    const killed = describeVictims(epoch, workers().processes(), afterMs);
    if (killed.length === 0) return;
    leftovers.killed.push(...killed);
    logError(`generation ${epoch}: ${killedText(killed)}`);
  }

  /** Counts what a signal will cut, before it is sent; a count that fails never stops the signal. */
  #cutBy(isCut: boolean, send: () => void): void {
    try {
      if (isCut && this.#drain !== null) {
        this.#record.cutAll(this.#drain, this.#farewell.openStreams);
      }
    } finally {
      send();
    }
  }
}
