/** What is checked, and who wants to know: apart from the checks themselves, which many services do not have. */
import type { RepeatedCheck } from "../../config/values/check_spec.ts";
import type { RunningCheck } from "../../health/check_loop.ts";
import type { CheckOutcome } from "../../health/monitor.ts";

export interface CheckTarget<Context> {
  readonly context: Context;
  readonly epoch: number;
  /** Number of the worker that is asked. */
  readonly number: number;
  readonly pid: number | null;
}

export interface CheckRequest {
  readonly spec: RepeatedCheck;
  /** Whether the generation has passed its gate. */
  readonly isLive: boolean;
  readonly onResult: (result: CheckOutcome) => void;
  /** No check of this kind can ever reach the generation. */
  readonly onImpossible: (reason: string) => void;
}

/** @returns null: the generation cannot be reached yet, or an answer might be another's */
export type BeginCheck<Context> = (
  target: CheckTarget<Context>,
  request: CheckRequest,
) => RunningCheck | null;
