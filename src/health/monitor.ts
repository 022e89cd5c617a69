/**
 * Whether a generation is healthy, by the rules of Envoy's active health checker
 * (source/extensions/health_checkers/common/health_checker_base_impl.cc). Pure: results in, state out.
 *
 * - If the very first result is a success it decides at once.
 * - After that `healthyThreshold` successes in a row make it healthy, `unhealthyThreshold` failures in a row unhealthy.
 * - A wrong answer makes it unhealthy at once. Only what may be the network's fault is counted (no connection, a reset,
 *   a timeout), and statuses configured as retriable.
 * - A check that baton could not make changes nothing. Envoy has no such case.
 */

export interface CheckResult {
  readonly passed: boolean;
  /** A failure that counts toward the threshold; a wrong answer does not. */
  readonly counts: boolean;
  /** "status 500", "no answer within 1 s". */
  readonly text: string;
}

/** The check was not made, for a reason in baton or in this machine. */
interface SkippedReason {
  readonly skippedReason: string;
}

export type CheckOutcome = CheckResult | SkippedReason;

export function success(text: string): CheckResult {
  return { passed: true, counts: true, text };
}

/** No answer, or one that may be better next time. */
export function failure(text: string): CheckResult {
  return { passed: false, counts: true, text };
}

/** An answer, but not the right one. */
export function wrongAnswer(text: string): CheckResult {
  return { passed: false, counts: false, text };
}

export function skipped(skippedReason: string): SkippedReason {
  return { skippedReason };
}

export interface Thresholds {
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

export interface Health {
  readonly healthy: boolean;
  /** Whether there is no result yet. */
  readonly isNew: boolean;
  /** Successes in a row while unhealthy, or counted failures in a row while healthy. */
  readonly streak: number;
  /** Successes among all results. */
  readonly successes: number;
  readonly failures: number;
  readonly last: CheckResult | null;
  /** Why the latest check was skipped; null: it was not. */
  readonly skippedReason: string | null;
}

const NOTHING_YET = { streak: 0, successes: 0, failures: 0, last: null, skippedReason: null };

/** A candidate, never checked. */
export const UNKNOWN: Health = { ...NOTHING_YET, healthy: false, isNew: true };

/** Known to be healthy, because it has passed its gate. */
export const TRUSTED: Health = { ...NOTHING_YET, healthy: true, isNew: false };

export function observe(before: Health, outcome: CheckOutcome, thresholds: Thresholds): Health {
  if ("skippedReason" in outcome) return { ...before, skippedReason: outcome.skippedReason };
  const last = outcome;
  const counted = {
    isNew: false,
    last,
    skippedReason: null,
    successes: before.successes + (last.passed ? 1 : 0),
    failures: before.failures + (last.passed ? 0 : 1),
  };
  if (last.passed === before.healthy) return { ...before, ...counted, streak: 0 };
  const streak = before.streak + 1;
  const changes = last.passed
    ? before.isNew || streak >= thresholds.healthyThreshold
    : !last.counts || streak >= thresholds.unhealthyThreshold;
  if (changes) return { ...counted, healthy: last.passed, streak: 0 };
  return { ...counted, healthy: before.healthy, streak };
}

export interface Schedule {
  readonly intervalMs: number;
  /** Interval while a change is pending. */
  readonly edgeIntervalMs: number;
  readonly jitterMs: number;
  readonly initialJitterMs: number;
}

/** As in Envoy: checks never follow each other without a pause. */
const SHORTEST_MS = 1;

/** @param chance 0 to below 1 @returns the wait before the first check */
export function firstDelay({ initialJitterMs }: Schedule, chance: number): number {
  return Math.floor(initialJitterMs * chance);
}

/** @param chance 0 to below 1 @returns the wait before the next check */
export function nextDelay(health: Health, schedule: Schedule, chance: number): number {
  const base = health.streak > 0 ? schedule.edgeIntervalMs : schedule.intervalMs;
  return Math.max(SHORTEST_MS, base + Math.floor(schedule.jitterMs * chance));
}

/** The latest result or reason, for messages; null: none yet. */
export function latestText({ last, skippedReason }: Health): string | null {
  return skippedReason === null ? last?.text ?? null : `could not be checked: ${skippedReason}`;
}

/** "status 500 (17 of 17 failed)" */
export function describe(health: Health): string {
  const text = latestText(health) ?? "no result yet";
  const total = health.successes + health.failures;
  return total === 0 ? text : `${text} (${health.failures} of ${total} failed)`;
}
