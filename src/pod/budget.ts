/**
 * Whether the shutdown of a pod fits into its grace period. Pure.
 *
 * The kubelet sends KILL `terminationGracePeriodSeconds` after the deletion, the time of a preStop hook included. The
 * longest shutdown of baton must end before, with a reserve for the server's exit and for the kubelet itself.
 */

/** Time that is kept free at the end of the grace period. */
export const RESERVE_MS = 3_000;
/** The default of `terminationGracePeriodSeconds`. */
const DEFAULT_GRACE_MS = 30_000;
/** Default minimum of the lame-duck phase in a pod: most clusters need less. */
export const DEFAULT_MIN_DRAIN_MS = 5_000;

const MS_PER_SECOND = 1000;

interface BudgetRequest {
  readonly minDrainMs: number;
  readonly maxDrainMs: number;
  /** The grace period that `--grace` says; null: not given. */
  readonly graceMs: number | null;
  /** Whether this is a pod, which has a grace period even without `--grace`. */
  readonly inPod: boolean;
}

/** Whether this is a pod, which has its own network and grace period: every pod has this variable. */
export function isInPod(env: Readonly<Record<string, string>>): boolean {
  return (env["KUBERNETES_SERVICE_HOST"] ?? "") !== "";
}

/** @param asked `--min-drain`, null when it was not given */
export function minDrainMs(asked: number | null, inPod: boolean): number {
  return asked ?? (inPod ? DEFAULT_MIN_DRAIN_MS : 0);
}

/** @returns for `graceMs` null when the grace period is unknown; `text` is like "5 s + 20 s + 3 s = 28 s of 30 s" */
export function budgetOf({ minDrainMs, maxDrainMs, graceMs, inPod }: BudgetRequest) {
  const known = graceMs ?? (inPod ? DEFAULT_GRACE_MS : null);
  const neededMs = minDrainMs + maxDrainMs;
  const sum = [minDrainMs, maxDrainMs, RESERVE_MS].map(seconds).join(" + ");
  const of = known === null
    ? "of an unknown grace period"
    : `of ${seconds(known)}${graceMs === null ? ", the default: say --grace" : ""}`;
  return {
    neededMs,
    graceMs: known,
    fits: known === null || neededMs + RESERVE_MS <= known,
    text: `${sum} = ${seconds(neededMs + RESERVE_MS)} ${of}`,
  };
}

function seconds(ms: number): string {
  return `${Number((ms / MS_PER_SECOND).toFixed(1))} s`;
}
