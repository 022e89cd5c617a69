/** Delays between starts of a server that keeps crashing, and the limit of starts. Pure. */

export interface BackoffPolicy {
  /** Delay before the second start in a row; the first one is immediate. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** After more crashes in a row baton exits. */
  readonly limit: number;
}

/**
 * @param crashes how many in a row, this one included; at least 1
 * @returns milliseconds to wait, or null to give up
 */
export function backoffDelay(crashes: number, policy: BackoffPolicy): number | null {
  if (crashes > policy.limit) return null;
  if (crashes <= 1) return 0;
  return Math.min(policy.delayMs * 2 ** (crashes - 2), policy.maxDelayMs);
}
