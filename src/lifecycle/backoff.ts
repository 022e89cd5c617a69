/** The delays between starts of a server that keeps crashing. Pure. */
import type { ServicePolicy } from "./state.ts";

/** Doublings after which the longest delay is reached, whatever the first one is. */
const MOST_DOUBLINGS = 32;

/** @returns milliseconds before the next start; null: there were too many crashes in a row */
export function backoffDelay(crashes: number, policy: ServicePolicy["backoff"]): number | null {
  return crashes > policy.limit ? null : crashDelayMs(crashes, policy);
}

/** @param crashes in a row, the latest included @returns milliseconds before the next start */
export function crashDelayMs(
  crashes: number,
  { delayMs, maxDelayMs }: Pick<ServicePolicy["backoff"], "delayMs" | "maxDelayMs">,
): number {
  if (crashes <= 1) return 0;
  return Math.min(delayMs * 2 ** Math.min(crashes - 2, MOST_DOUBLINGS), maxDelayMs);
}
