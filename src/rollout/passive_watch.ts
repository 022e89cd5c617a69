/**
 * Passive health: watches generations that get connections from outside, and reports one as unhealthy when its accept
 * queue does not move (--eject-after) or, on trial, overflows (--rollback-on any). Checks eight times per --eject-after,
 * and less often where a check is expensive.
 */
import { SocketTable } from "../drain/connections.ts";
import type { RunningContext } from "../generation/context.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { nextStall, type Stall } from "../health/stall.ts";
import type { Timer } from "../platform/clock.ts";
import { orNull } from "../platform/error.ts";
import { isDatagram } from "../steering/group_address.ts";

const CHECKS = 8;
const MIN_CHECK_MS = 50;
const MAX_CHECK_MS = 1_000;
/** A check that takes long is followed by a pause of many times that, but of at most half of --eject-after. */
const PAUSE_PER_COST = 20;
const LATEST_PART = 1 / 2;
const MS_PER_SECOND = 1_000;

interface WatchedGeneration {
  readonly generation: GenerationHandle;
  /** Beside another one, which could take all connections. */
  readonly isOnTrial: boolean;
  connections: ReadonlySet<number>;
  stall: Stall;
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
    const connections = new Set<number>();
    this.#watched.set(epoch, { generation, isOnTrial, dropsAtFirst, connections, stall: null });
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
      const reason = (table && this.#stallOf(watched, table, atMs)) ?? this.#overflowOf(watched);
      if (reason !== null) this.context.dispatch({ kind: "unhealthy", epoch, reason });
    }
    if (this.#watched.size > 0) this.#scheduleCheck(platform.clock.now() - atMs);
  }

  /** @returns why it is not healthy; null: it is */
  #stallOf(watched: WatchedGeneration, table: SocketTable, atMs: number): string | null {
    const { generation } = watched;
    const members = this.#members(generation.epoch);
    const waiting = members.reduce((sum, { inode }) => sum + table.backlogOf(inode), 0);
    const rows = waiting === 0 ? [] : table.connectionsOf(generation);
    const connections = new Set(rows.map(({ inode }) => inode));
    const hasAccepted = [...connections].some((inode) => !watched.connections.has(inode));
    watched.connections = connections;
    const unaccepted = waiting === 0 ? new Set<string>() : table.unaccepted();
    const elsewhere = table.backlog - waiting;
    const look = { atMs, waiting, unaccepted, elsewhere, hasAccepted };
    watched.stall = nextStall(watched.stall, look);
    const forMs = watched.stall === null ? 0 : atMs - watched.stall.sinceMs;
    if (forMs === 0 || forMs < this.context.config.ejectAfterMs) return null;
    const seconds = (forMs / MS_PER_SECOND).toFixed(1);
    // Reported once; if the generation stays, again after the same time.
    watched.stall = null;
    return `it has accepted nothing for ${seconds} s, and ${waiting} connections wait`;
  }

  #overflowOf({ generation, isOnTrial, dropsAtFirst }: WatchedGeneration): string | null {
    if (!isOnTrial || this.context.config.rollbackOn !== "any") return null;
    const drops = this.#drops(generation.epoch) - dropsAtFirst;
    if (drops <= 0) return null;
    return `its accept queue has overflowed: ${drops} connections were dropped`;
  }

  #members(epoch: number) {
    return this.context.listeners.groups.filter((group) => !isDatagram(group))
      .flatMap((group) => group.membersOf(epoch));
  }

  /** 0 while they cannot be counted. */
  #drops(epoch: number): number {
    const { sockDiag } = this.context.platform;
    const count = () =>
      this.#members(epoch)
        .reduce((sum, { heldUntilRetired }) => sum + sockDiag.dropsOf(heldUntilRetired), 0);
    return orNull(count) ?? 0;
  }
}
