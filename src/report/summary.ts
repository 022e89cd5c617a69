/**
 * What `baton top`, the page and progress lines show: as a snapshot, but without what costs a look into processes. Pure.
 */
import type { ConnectionCounts } from "../drain/connections.ts";
import type { GenerationState, Outcome } from "../lifecycle/generation.ts";
import type { LastReload, Snapshot, TrialView } from "./snapshot.ts";
import { NO_PROGRESS, type StateProgress } from "./state_progress.ts";

export interface GenerationSummary extends StateProgress {
  readonly epoch: number;
  readonly state: GenerationState;
  readonly outcome: Outcome | null;
  readonly reason: string | null;
  /** Leading process; null when it could not be started. */
  readonly pid: number | null;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Share of the new connections. */
  readonly percent: number;
  readonly workers: { readonly serving: number; readonly total: number };
  readonly connections: ConnectionCounts;
  /** Connections that wait to be accepted. */
  readonly queue: number;
}

/** What a generation that failed has printed last. */
export interface LastWords {
  readonly epoch: number;
  readonly lines: readonly string[];
}

export interface Summary extends
  Pick<
    Snapshot,
    | "name"
    | "version"
    | "pid"
    | "incarnation"
    | "epoch"
    | "order"
    | "startedAt"
    | "restarts"
    | "fronts"
  > {
  /** When the summary was made, ISO 8601: a reader's clock may be another machine's. */
  readonly at: string;
  readonly workers: Snapshot["workers"];
  /** Generations that are alive and the latest that have exited, oldest first. */
  readonly generations: readonly GenerationSummary[];
  /** Whether a reload waits until the present one is over. */
  readonly isQueued: boolean;
  readonly trial: TrialView | null;
  readonly lastReload: LastReload | null;
  /** The last words of the generation of the last reload, if that failed. */
  readonly lastWords: LastWords | null;
  /** Age of the look at the connections, which all readers share; null: none was possible. */
  readonly lookAgeMs: number | null;
}

/** The share of each generation in the new connections. @returns by epoch; others get none */
export function sharesOf(
  serving: number | null,
  trial: Pick<TrialView, "epoch" | "percent"> | null,
): ReadonlyMap<number, number> {
  const shares = new Map<number, number>();
  if (serving !== null) shares.set(serving, 100 - (trial?.percent ?? 0));
  if (trial !== null) shares.set(trial.epoch, trial.percent);
  return shares;
}

/** The summary of a service that has one generation only, and no reload. */
export function summaryFrom(snapshot: Snapshot, wallMs: number): Summary {
  const { epoch: serving, generations } = snapshot;
  return {
    name: snapshot.name,
    version: snapshot.version,
    pid: snapshot.pid,
    incarnation: snapshot.incarnation,
    epoch: serving,
    order: snapshot.order,
    startedAt: snapshot.startedAt,
    at: new Date(wallMs).toISOString(),
    restarts: snapshot.restarts,
    fronts: snapshot.fronts,
    workers: snapshot.workers,
    trial: snapshot.trial,
    lastReload: snapshot.lastReload,
    isQueued: false,
    lastWords: null,
    lookAgeMs: 0,
    generations: generations.map((
      { epoch, state, outcome, reason, pid, startedAt, connections },
    ) => ({
      epoch,
      state,
      outcome,
      reason,
      pid,
      startedAt,
      ...NO_PROGRESS,
      percent: epoch === serving ? 100 : 0,
      workers: { serving: epoch === serving ? 1 : 0, total: 1 },
      connections,
      queue: 0,
    })),
  };
}
