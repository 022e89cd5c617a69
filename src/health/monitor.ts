/**
 * Is it healthy? The rules of Envoy's active health checker (source/extensions/health_checkers/common/
 * health_checker_base_impl.cc), as a pure machine: results in, state out.
 *
 * - the very first result decides at once, if it is a success;
 * - after that it takes `healthyThreshold` successes in a row to become healthy, and
 *   `unhealthyThreshold` failures in a row to become unhealthy;
 * - a wrong answer makes it unhealthy at once: only what may be the network's fault is counted (no
 *   connection, a reset, a time-out), and statuses that are called retriable;
 * - what baton could not ask says nothing of the server, and changes nothing: Envoy has no word for that.
 */

/** What came of one check. */
export interface CheckResult {
  readonly passed: boolean;
  /** A failure that is counted; a wrong answer is not. */
  readonly counts: boolean;
  /** For people: "status 500", "no answer within 1s". */
  readonly text: string;
}

/** Nobody was asked: what was in the way is baton's own or this machine's, not the server's. */
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

/** An answer, and not the right one. */
export function wrongAnswer(text: string): CheckResult {
  return { passed: false, counts: false, text };
}

export function skipped(skippedReason: string): SkippedReason {
  return { skippedReason: skippedReason };
}

export interface Thresholds {
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

export interface Health {
  readonly healthy: boolean;
  /** There was no result yet. */
  readonly isNew: boolean;
  /** Successes in a row while unhealthy, or counted failures in a row while healthy. */
  readonly streak: number;
  /** Of all results. */
  readonly successes: number;
  readonly failures: number;
  readonly last: CheckResult | null;
  /** Why it could not be asked after that; null: it could. */
  readonly skippedReason: string | null;
}

const NOTHING_YET = { streak: 0, successes: 0, failures: 0, last: null, skippedReason: null };

/** Nobody has heard of it yet: a candidate. */
export const UNKNOWN: Health = { ...NOTHING_YET, healthy: false, isNew: true };

/** It has shown that it is healthy in some other way: by its gate. */
export const TRUSTED: Health = { ...NOTHING_YET, healthy: true, isNew: false };

export function observe(before: Health, outcome: CheckOutcome, thresholds: Thresholds): Health {
  if ("skippedReason" in outcome) return { ...before, skippedReason: outcome.skippedReason };
  const last = outcome;
  const counted = {
    ...{ isNew: false, last, skippedReason: null },
    successes: before.successes + (last.passed ? 1 : 0),
    failures: before.failures + (last.passed ? 0 : 1),
  };
  if (last.passed === before.healthy) return { ...before, ...counted, streak: 0 };
  const streak = before.streak + 1;
  const changes = last.passed
    ? before.isNew || streak >= thresholds.healthyThreshold
    : !last.counts || streak >= thresholds.unhealthyThreshold;
  if (changes) return { ...counted, healthy: last.passed, streak: 0 };
  return { ...counted, healthy: before.healthy, streak: streak };
}

/** Results have begun to differ from the state. */
export function isPending({ streak: streak }: Health): boolean {
  return streak > 0;
}

/** When to check, in milliseconds. */
export interface Schedule {
  readonly intervalMs: number;
  /** While a change is pending. */
  readonly edgeIntervalMs: number;
  readonly jitterMs: number;
  readonly initialJitterMs: number;
}

/** Envoy's floor: a pause of nothing would be no pause. */
const SHORTEST_MS = 1;

/** @param chance 0 to below 1 @returns the wait before the first check */
export function firstDelay({ initialJitterMs }: Schedule, chance: number): number {
  return Math.floor(initialJitterMs * chance);
}

/** @param chance 0 to below 1 @returns the wait before the next check */
export function nextDelay(health: Health, schedule: Schedule, chance: number): number {
  const base = isPending(health) ? schedule.edgeIntervalMs : schedule.intervalMs;
  return Math.max(SHORTEST_MS, base + Math.floor(schedule.jitterMs * chance));
}

/** What came of asking last, for people; null: nothing yet. */
export function latestText({ last, skippedReason: skippedReason }: Health): string | null {
  return skippedReason === null ? last?.text ?? null : `could not be asked: ${skippedReason}`;
}

/** "status 500 (17 of 17 failed)" */
export function describe(health: Health): string {
  const text = latestText(health) ?? "no result yet";
  const total = health.successes + health.failures;
  return total === 0 ? text : `${text} (${health.failures} of ${total} failed)`;
}
