/** How servers were asked to say goodbye to their clients (--drain-call), for status and metrics. Pure. */
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";

/** One call that has asked a worker to say goodbye to its clients, or to say so no more. */
export interface DrainCallView {
  /** The call, with its placeholders filled in. */
  readonly call: string;
  readonly worker: number;
  readonly result: "pending" | "ok" | "failed";
  /** Its outcome: "status 200", "refused"; null: there is no answer yet. */
  readonly detail: string | null;
}

/** All calls of a service so far, those that take a goodbye back included. */
export interface DrainCallCounts {
  readonly ok: number;
  readonly failed: number;
  readonly lastFailure: {
    readonly call: string;
    readonly epoch: number;
    readonly worker: number;
    readonly reason: string;
    /** When it was made, ISO 8601. */
    readonly at: string;
  } | null;
}

export const NO_DRAIN_CALLS: DrainCallCounts = { ok: 0, failed: 0, lastFailure: null };

type Called = Extract<ServiceEvent, { kind: "drain_called" }>;

export function withCall(
  counts: DrainCallCounts,
  { call, epoch, worker, failure }: Called,
  at: Date,
): DrainCallCounts {
  if (failure === null) return { ...counts, ok: counts.ok + 1 };
  const lastFailure = { call, epoch, worker, reason: failure, at: at.toISOString() };
  return { ...counts, failed: counts.failed + 1, lastFailure };
}
