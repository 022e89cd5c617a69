/**
 * Passive health: generations that get connections are looked at from outside, and reported as unhealthy when their
 * accept queue does not move (--eject-after), or, on trial, overflows (--rollback-on any). Decides nothing else.
 *
 * Looks only while it is asked to, at an eighth of --eject-after, and only as often as that costs little.
 */
import type { RunningContext } from "../generation/context.ts";
import { SocketTable } from "../drain/connections.ts";
import { nextStall, type Stall } from "../health/stall.ts";
import { SystemCallError } from "../platform/error.ts";

const LOOKS = 8;
const MIN_LOOK_MS = 50;
const MAX_LOOK_MS = 1_000;
/** A look that takes long is followed by a pause of many times that, but no verdict comes twice as late for it. */
const PAUSE_PER_COST = 20;
const LATEST_PART = 1 / 2;
const MS_PER_SECOND = 1_000;

interface WatchedGeneration {
  readonly processes: () => readonly number[];
  readonly isOnTrial: boolean;
  connections: ReadonlySet<number>;
  stall: Stall;
  readonly dropsAtFirst: number;
}

export class PassiveWatch {
  readonly #watched = new Map<number, WatchedGeneration>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(readonly context: RunningContext) {}

  /** It gets connections from here on; `isOnTrial`: beside another one, which could take them all. */
  watch(epoch: number, processes: () => readonly number[], isOnTrial: boolean): void {
    const { ejectAfterMs, rollbackOn } = this.context.config;
    this.forget(epoch);
    if (ejectAfterMs === 0 && !(isOnTrial && rollbackOn === "any")) return;
    const dropsAtFirst = this.#safely(() => this.#drops(epoch)) ?? 0;
    const nothing = { connections: new Set<number>(), stall: null };
    this.#watched.set(epoch, { processes, isOnTrial, dropsAtFirst, ...nothing });
    this.#wait(0);
  }

  forget(epoch: number): void {
    this.#watched.delete(epoch);
    if (this.#watched.size > 0 || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  close(): void {
    for (const epoch of [...this.#watched.keys()]) this.forget(epoch);
  }

  #wait(costMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { ejectAfterMs } = this.context.config;
    const wanted = ejectAfterMs === 0 ? MAX_LOOK_MS / 2 : ejectAfterMs / LOOKS;
    const lookMs = Math.min(Math.max(wanted, MIN_LOOK_MS), MAX_LOOK_MS);
    const latestMs = ejectAfterMs === 0 ? Infinity : ejectAfterMs * LATEST_PART;
    const pauseMs = Math.min(costMs * PAUSE_PER_COST, latestMs);
    this.#timer = setTimeout(() => this.#look(), Math.max(lookMs, pauseMs));
  }

  #look(): void {
    const atMs = performance.now();
    const { platform, listeners, config } = this.context;
    // A look that fails is no news. Where only overflows are looked for nobody needs the table.
    const table = config.ejectAfterMs > 0
      ? this.#safely(() => new SocketTable(platform, listeners))
      : null;
    for (const [epoch, watched] of this.#watched) {
      const reason = (table && this.#stallOf(epoch, watched, table, atMs)) ??
        this.#overflowOf(epoch, watched);
      if (reason !== null) this.context.dispatch({ kind: "unhealthy", epoch, reason });
    }
    if (this.#watched.size > 0) this.#wait(performance.now() - atMs);
  }

  /** @returns why it is not healthy; null: it is */
  #stallOf(
    epoch: number,
    watched: WatchedGeneration,
    table: SocketTable,
    atMs: number,
  ): string | null {
    const members = this.#members(epoch);
    const waiting = members.reduce((sum, { inode }) => sum + table.backlogOf(inode), 0);
    const rows = waiting === 0 ? [] : table.connectionsOf(watched.processes());
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
    // Said once; whoever is still wanted is asked again after as long.
    watched.stall = null;
    return `it has accepted nothing for ${seconds} s, and ${waiting} connections wait`;
  }

  #overflowOf(epoch: number, { isOnTrial, dropsAtFirst }: WatchedGeneration): string | null {
    if (!isOnTrial || this.context.config.rollbackOn !== "any") return null;
    const drops = (this.#safely(() => this.#drops(epoch)) ?? 0) - dropsAtFirst;
    if (drops <= 0) return null;
    return `its accept queue has overflowed: ${drops} connections were turned away`;
  }

  #members(epoch: number) {
    return this.context.listeners.groups.flatMap((group) => group.membersOf(epoch));
  }

  #drops(epoch: number): number {
    const { sockDiag } = this.context.platform;
    return this.#members(epoch)
      .reduce((sum, { heldUntilRetired }) => sum + sockDiag.dropsOf(heldUntilRetired), 0);
  }

  #safely<T>(look: () => T): T | null {
    try {
      return look();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return null;
    }
  }
}
