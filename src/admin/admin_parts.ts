/**
 * What the routes of the admin API read and do. One object for all of them: each route file takes what it needs, and
 * `cli/service` makes it. A part that is expensive to load is a function that imports it.
 */
import type { EventStreams } from "../events/event_streams.ts";
import type { ReloadHow } from "../lifecycle/order.ts";
import type {
  Decision,
  DrainReport,
  ProbeReport,
  ScaleReport,
  Snapshot,
  StopReport,
  TrialReport,
  UpgradeReport,
} from "../report/snapshot.ts";
import type { ReloadReport } from "../report/reload_report.ts";
import type { GuardOptions } from "./guard.ts";
import type { Summary } from "../report/summary.ts";
import type { Registry } from "../stats/registry.ts";

/** With what the endpoints themselves know. */
export type AdminParts = ServiceParts & GuardOptions & { readonly facts: ServiceFacts };

/** What does not change while this baton runs. */
export interface ServiceFacts {
  /** The version of baton. */
  readonly version: string;
  readonly drainTimeMs: number;
  readonly parentShutdownTimeMs: number;
  /**
   * The version of what one baton passes to the next, in Envoy's words: two batons with the same can follow each other.
   */
  readonly hotRestartVersion: string;
  readonly nowMs: () => number;
}

/** What the service gives. */
export interface ServiceParts {
  readonly supervisor: {
    snapshot(): Snapshot;
    summary(): Summary;
    reload(how: ReloadHow): Promise<ReloadReport>;
    decide(decision: Decision): Promise<TrialReport>;
    scale(change: { workers: number; relative: boolean }): Promise<ScaleReport>;
    upgrade(program: string | null, inPlace: boolean): Promise<UpgradeReport>;
    reopenLogs(): void;
  };
  readonly pod: {
    stop(): void;
    readonly finished: Promise<StopReport>;
    drain(): Promise<DrainReport>;
    probes(): ProbeReport;
    failByHand(isFailed: boolean): void;
    readonly isDraining: boolean;
  };
  readonly registry: Pick<Registry, "read">;
  /** The service's events; null: none are kept (`--shutdown-only`). */
  readonly events: Pick<EventStreams, "open" | "lines"> | null;
}
