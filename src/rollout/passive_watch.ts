/**
 * Passive health: watches generations that get connections from outside, and reports one as unhealthy when its accept
 * queue does not move (--eject-after) or, on trial, overflows (--rollback-on any). Checks eight times per --eject-after,
 * and less often where a check is expensive.
 */
import { SocketTable } from "../drain/connections.ts";
import type { RunningContext } from "../generation/context.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { nextStall, type Stall } from "../health/stall.ts";
import type { Timer } from "../platform/clock.ts";
import { orNull } from "../platform/error.ts";
import { isDatagram } from "../steering/group_address.ts";
import type { Member } from "../steering/member.ts";

const CHECKS = 8;
const MIN_CHECK_MS = 50;
const MAX_CHECK_MS = 1_000;
/** A check that takes long is followed by a pause of many times that, but of at most half of --eject-after. */
const PAUSE_PER_COST = 20;
const LATEST_PART = 1 / 2;
const MS_PER_SECOND = 1_000;

interface WatchedGeneration {
  readonly generation: GenerationHandle;
  /** Whether it runs beside another generation, which could take all connections. */
  readonly isOnTrial: boolean;
  /** Queues of the generation, or, where it has several workers, of each worker by its number. */
  readonly queues: Map<number, { connections: ReadonlySet<number>; stall: Stall }>;
  readonly dropsAtFirst: number;
}

export class PassiveWatch {
  readonly #watched = new Map<number, WatchedGeneration>();
  #timer: Timer | null = null;

  constructor(readonly context: RunningContext) {}

  watch(generation: GenerationHandle, isOnTrial: boolean): void {
    const { epoch } = generation;
    const { ejectAfterMs, rollbackOn } = this.context.config;
    this.forget(epoch);
    if (ejectAfterMs === 0 && !(isOnTrial && rollbackOn === "any")) return;
    const dropsAtFirst = this.#drops(epoch);
    this.#watched.set(epoch, { generation, isOnTrial, dropsAtFirst, queues: new Map() });
    this.#scheduleCheck(0);
  }

  forget(epoch: number): void {
    this.#watched.delete(epoch);
    if (this.#watched.size === 0) this.#timer?.cancel();
  }

  close(): void {
    for (const epoch of this.#watched.keys()) this.forget(epoch);
  }

  /** @param costMs of the latest check */
  #scheduleCheck(costMs: number): void {
    this.#timer?.cancel();
    const { config: { ejectAfterMs }, platform: { clock } } = this.context;
    const wantedMs = ejectAfterMs === 0 ? MAX_CHECK_MS / 2 : ejectAfterMs / CHECKS;
    const intervalMs = Math.min(Math.max(wantedMs, MIN_CHECK_MS), MAX_CHECK_MS);
    const latestMs = ejectAfterMs === 0 ? Infinity : ejectAfterMs * LATEST_PART;
    const pauseMs = Math.min(costMs * PAUSE_PER_COST, latestMs);
    this.#timer = clock.after(Math.max(intervalMs, pauseMs), () => this.#check());
  }

  #check(): void {
    const { platform, listeners, config } = this.context;
    const atMs = platform.clock.now();
    // Overflows are counted without the table.
    const table = config.ejectAfterMs > 0
      ? orNull(() => new SocketTable(platform, listeners))
      : null;
    for (const [epoch, watched] of this.#watched) {
      if (table !== null) this.#findStalls(watched, table, atMs);
      const reason = this.#overflowOf(watched);
      if (reason !== null) this.context.dispatch({ kind: "unhealthy", epoch, reason });
    }
    if (this.#watched.size > 0) this.#scheduleCheck(platform.clock.now() - atMs);
  }

  #findStalls(watched: WatchedGeneration, table: SocketTable, atMs: number): void {
    const { generation } = watched;
    const workers = generation instanceof RunningGeneration
      ? generation.workers.all.filter(({ state }) => state === "serving")
      : [];
    if (workers.length < 2) {
      const { epoch } = generation;
      const rows = () => table.connectionsOf(generation);
      const reason = this.#stallOf(watched, 0, {
        table,
        atMs,
        members: this.#members(epoch),
        rows,
      });
      if (reason !== null) this.context.dispatch({ kind: "unhealthy", epoch, reason });
      return;
    }
    for (const worker of workers) {
      const { epoch, number } = worker;
      const rows = () => table.openBy(worker.server.processes());
      const members = this.#members(epoch, number);
      const reason = this.#stallOf(watched, number, { table, atMs, members, rows });
      if (reason !== null) worker.host.onUnhealthy(worker, reason);
    }
  }

  /** @returns why it is not healthy; null: it is */
  #stallOf(
    { queues }: WatchedGeneration,
    number: number,
    { table, atMs, members, rows }: {
      readonly table: SocketTable;
      readonly atMs: number;
      readonly members: readonly Pick<Member, "inode">[];
      rows(): readonly { readonly inode: number }[];
    },
  ): string | null {
    const before = queues.get(number) ?? { connections: new Set(), stall: null };
    const waiting = members.reduce((sum, { inode }) => sum + table.backlogOf(inode), 0);
    const connections = new Set(waiting === 0 ? [] : rows().map(({ inode }) => inode));
    const hasAccepted = [...connections].some((inode) => !before.connections.has(inode));
    const unaccepted = waiting === 0 ? new Set<string>() : table.unaccepted();
    const elsewhere = table.backlog - waiting;
    const stall = nextStall(before.stall, { atMs, waiting, unaccepted, elsewhere, hasAccepted });
    const forMs = stall === null ? 0 : atMs - stall.sinceMs;
    const isOver = forMs > 0 && forMs >= this.context.config.ejectAfterMs;
    // Reported once; if the generation stays, again after the same time.
    queues.set(number, { connections, stall: isOver ? null : stall });
    if (!isOver) return null;
    const seconds = (forMs / MS_PER_SECOND).toFixed(1);
    return `it has accepted nothing for ${seconds} s, and ${waiting} connections wait`;
  }

  #overflowOf({ generation, isOnTrial, dropsAtFirst }: WatchedGeneration): string | null {
    if (!isOnTrial || this.context.config.rollbackOn !== "any") return null;
    const drops = this.#drops(generation.epoch) - dropsAtFirst;
    if (drops <= 0) return null;
    return `its accept queue has overflowed: ${drops} connections were dropped`;
  }

  #members(epoch: number, worker?: number) {
    return this.context.listeners.groups.filter((group) => !isDatagram(group))
      .flatMap((group) => group.membersOf(epoch, worker));
  }

  /** Connections that were dropped at a full queue; 0 while they cannot be counted. */
  #drops(epoch: number): number {
    const { sockDiag } = this.context.platform;
    const count = () =>
      this.#members(epoch)
        .reduce((sum, { heldUntilRetired }) => sum + sockDiag.dropsOf(heldUntilRetired), 0);
    return orNull(count) ?? 0;
  }
}
