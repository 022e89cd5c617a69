/**
 * How one worker ends while others of its generation serve on: new connections go to those, it empties its queue and
 * finishes what it owes, gets the stop signal, and at last KILL. With --keep-alive its connections move to the others.
 */
import { busyAmong, SocketTable, takeCensus, Tracks } from "../../drain/connections.ts";
import { mayPause } from "../../drain/track.ts";
import { EmptyQueues } from "../../drain/empty_queues.ts";
import type { Migration } from "../../migration/migration.ts";
import type { Mover } from "../../migration/mover.ts";
import type { Timer } from "../../platform/clock.ts";
import { orNull } from "../../platform/error.ts";
import { unreadDatagrams } from "../../platform/network/udp_table.ts";
import { isDatagram } from "../../steering/group_address.ts";
import { setWorkerAside } from "../../steering/worker_steering.ts";
import type { GenerationFacts } from "../../succession/state/resume_state.ts";
import type { StopPolicy } from "../stop_policy.ts";
import { Farewell } from "../goodbye/farewell.ts";
import { moveToOthers } from "./worker_moves.ts";
import type { WorkerParts } from "./worker_parts.ts";

/** Between two looks while more may come out of its queues. */
const QUEUE_LOOK_MS = 10;
const LOOK_MS = 100;
const STREAMS_LOOK_MS = 500;
/** How long a worker that another one replaces may empty its queue: what it does not accept, the other one gets. */
const QUEUE_MS = 1_000;

interface WorkerStopOptions {
  readonly worker: WorkerParts;
  readonly health: { stop(): void };
  readonly policy: StopPolicy;
  /** Facts of its generation. */
  readonly facts: Pick<GenerationFacts, "cut" | "undecided" | "takesConnections">;
  /** Another worker gets its number, and its queues. */
  readonly isReplaced: boolean;
}

export class WorkerStop {
  phase: "draining" | "stopping" = "draining";
  readonly #tracks = new Tracks();
  #timer: Timer | null = null;
  #killAtMs = Infinity;
  readonly #queues = new EmptyQueues();
  readonly #drainUntilMs: number;
  readonly #queueUntilMs: number;
  #mover: Mover | null = null;
  readonly #farewell: Farewell;

  constructor(readonly options: WorkerStopOptions) {
    const { platform: { clock }, config } = options.worker.context;
    this.#farewell = new Farewell(clock);
    this.#drainUntilMs = clock.now() + config.drainTimeMs;
    this.#queueUntilMs = options.isReplaced ? clock.now() + QUEUE_MS : Infinity;
  }

  begin(): void {
    const { worker, health } = this.options;
    health.stop();
    setWorkerAside(worker.context.listeners, worker, false);
    this.#farewell.say([worker], () => this.#look());
  }

  get #quietMs(): number {
    return this.#farewell.quietMs(this.options.worker.context.config.quietMs);
  }

  #look(): void {
    const { clock } = this.options.worker.context.platform;
    const isOver = clock.now() >= this.#drainUntilMs;
    const mayEnd = isOver || (orNull(() => this.#mayEnd()) ?? false);
    if (mayEnd && this.#mover !== null) return this.#mover.commit();
    const migration = this.#migration;
    if (mayEnd && (isOver || migration === null)) {
      return isOver ? this.#signal() : this.#endStreams();
    }
    const pauseMs = this.#queues.areProved ? LOOK_MS : QUEUE_LOOK_MS;
    this.#timer = clock.after(pauseMs, () => this.#look());
    if (mayEnd && migration !== null) this.#move(migration);
  }

  /** What looks idle may be a stream on which nothing is said. */
  #endStreams(): void {
    const { worker, policy } = this.options;
    const then = () => {
      const stays = this.#farewell.openStreams > 0 && policy.drainStyle !== "signal";
      if (!stays) return this.#signal();
      this.#timer = worker.context.platform.clock.after(STREAMS_LOOK_MS, () => this.#look());
    };
    this.#farewell.askStreams([worker], { waits: false, then });
  }

  /** What moves its connections; null: they are not moved. */
  get #migration(): Migration | null {
    const { worker: { context: { migration } }, policy, facts } = this.options;
    const moves = facts.takesConnections && policy.drainStyle !== "signal" &&
      !this.#farewell.hasSaid;
    return moves ? migration : null;
  }

  #move(migration: Migration): void {
    const { worker, policy, facts } = this.options;
    this.#mover = moveToOthers(worker, migration, policy, {
      isBusy: (inode) => this.#mayOwe(inode),
      onDropped: () => facts.cut++,
      onCommitted: () => this.#signal(),
    });
  }

  #mayOwe(inode: number): boolean {
    const track = this.#tracks.get(inode);
    return track !== null &&
      mayPause(track, track.atMs - Math.max(track.sentAtMs, track.receivedAtMs));
  }

  #signal(): void {
    const { worker, policy } = this.options;
    const { clock } = worker.context.platform;
    this.phase = "stopping";
    worker.facts.stopSent = true;
    this.#farewell.cutShort();
    if (!policy.finishesRequests) this.#countCut();
    this.limit(policy.stopTimeMs(this.#drainUntilMs - clock.now()));
    worker.server.signal(policy.leaderSignal);
  }

  /** KILL comes after this time at the latest. */
  limit(delayMs: number): void {
    const { platform: { clock } } = this.options.worker.context;
    const atMs = clock.now() + delayMs;
    if (this.phase === "draining" || atMs >= this.#killAtMs) return;
    this.#killAtMs = atMs;
    this.#timer?.cancel();
    this.#timer = clock.after(delayMs, () => this.#kill());
  }

  #kill(): void {
    const { worker, policy } = this.options;
    if (policy.finishesRequests) this.#countCut();
    worker.context.logError(`${worker.name()}: killed after its stop time`);
    worker.server.kill();
  }

  #countCut(): void {
    const { worker, facts } = this.options;
    const { platform, listeners, config, migration } = worker.context;
    const away = migration?.inFlight.inodes ?? new Set();
    orNull(() => {
      const table = new SocketTable(platform, listeners);
      const open = table.openBy(worker.server.processes()).filter(({ inode }) => !away.has(inode));
      const { busy, undecided, idle } = takeCensus(open, config.quietMs, this.#tracks).counts;
      const streams = Math.min(Math.max(0, this.#farewell.openStreams - busy), undecided + idle);
      facts.cut += busy + streams;
      facts.undecided += Math.max(0, undecided - streams);
    });
  }

  /**
   * Whether it may end: nothing waits in its queues or is on its way there, and it owes no answer, or can move what it
   * owes one to.
   */
  #mayEnd(): boolean {
    const { worker, policy } = this.options;
    const { platform, listeners, front } = worker.context;
    if (front?.hasLeft(worker.epoch, worker.number) === false) return false;
    const table = new SocketTable(platform, listeners);
    this.#tracks.note(table.sockets, platform.clock.now());
    this.#lookAtQueues(table);
    // A worker that accepts nothing does not answer either.
    if (!this.#queues.areProved) return platform.clock.now() >= this.#queueUntilMs;
    // With a mover, that decides from then on.
    if (this.#migration !== null) return this.#mover === null;
    if (policy.drainStyle === "signal") return true;
    const pids = worker.server.processes();
    if (busyAmong(pids, table, this.#quietMs).size > 0) return false;
    return takeCensus(table.openBy(pids), this.#quietMs, this.#tracks).blocking.size === 0;
  }

  #lookAtQueues(table: SocketTable): void {
    const { epoch, number, context: { listeners } } = this.options.worker;
    const waiting = listeners.groups.flatMap((group) =>
      group.membersOf(epoch, number).filter((member) => !group.isReceiving(member)).map((member) =>
        isDatagram(group) ? unreadDatagrams(member.inode) : table.backlogOf(member.inode)
      )
    );
    const sum = waiting.reduce((total, count) => total + count, 0);
    this.#queues.look({ waiting: sum, halfOpen: table.halfOpen() });
  }

  close(): void {
    this.#farewell.cancel();
    this.#timer?.cancel();
    this.#mover?.cancel();
  }
}
