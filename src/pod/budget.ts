/**
 * Does the end of a pod fit into its grace period? Pure arithmetic.
 *
 * The kubelet sends KILL when `terminationGracePeriodSeconds` are over, counted from the deletion: a
 * preStop hook's time included. What baton may take at most must end before, with something to spare
 * for the last words of the server and for the kubelet itself.
 */

/** What is kept free at the end. */
export const RESERVE_MS = 3_000;
/** `terminationGracePeriodSeconds` of a pod that says nothing. */
const DEFAULT_GRACE_MS = 30_000;
/** Least time of lingering in a pod, where nothing else is said: most clusters need less. */
export const DEFAULT_MIN_DRAIN_MS = 5_000;

const MS_PER_SECOND = 1000;

interface BudgetRequest {
  readonly minDrainMs: number;
  readonly maxDrainMs: number;
  /** `--grace`; null: not given. */
  readonly graceMs: number | null;
  /** This is a pod, which has a grace period whether it says so or not. */
  readonly inPod: boolean;
}

interface Budget {
  /** At most this long, without the reserve. */
  readonly neededMs: number;
  /** Null: there is none that baton knows of. */
  readonly graceMs: number | null;
  readonly fits: boolean;
  /** For the log: "5 s + 20 s + 3 s = 28 s of 30 s". */
  readonly text: string;
}

/** The pod's own network and grace period: every pod has this variable. */
export function isInPod(env: Readonly<Record<string, string>>): boolean {
  return (env["KUBERNETES_SERVICE_HOST"] ?? "") !== "";
}

/** @param asked `--min-drain`, null when it was not given */
export function minDrainMs(asked: number | null, inPod: boolean): number {
  return asked ?? (inPod ? DEFAULT_MIN_DRAIN_MS : 0);
}

export function budgetOf({ minDrainMs, maxDrainMs, graceMs, inPod }: BudgetRequest): Budget {
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
