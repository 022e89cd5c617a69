/** Reloads and changes of the number of workers whose callers wait, and what is kept for their answers. */
import type { Clock } from "../platform/clock.ts";
import { PendingRequests } from "./pending_requests.ts";
import type { ScaleReport } from "./snapshot.ts";
import type { ReloadReport } from "./reload_report.ts";

/** A candidate that has failed. */
export interface FailedStart {
  readonly epoch: number;
  readonly pid: number | null;
  /** The last lines of its output. */
  readonly output: readonly string[];
  readonly outputSince: readonly string[];
  readonly isDirect: boolean;
}

export class PendingReloads {
  readonly requests: PendingRequests<ReloadReport>;
  readonly scales: PendingRequests<ScaleReport>;
  /** The candidate whose reload is answered when the version before it runs again; null: none. */
  failed: FailedStart | null = null;

  constructor(clock: Clock) {
    this.requests = new PendingRequests(clock);
    this.scales = new PendingRequests(clock);
  }
}
