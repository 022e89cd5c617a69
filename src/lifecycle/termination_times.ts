/** Until when the end of a service may wait for its connections. Pure. */

/** The stop signal comes at the latest when this part of `maxDrainMs` is left, for handlers of it. */
const STOP_PART = 1 / 4;

export interface TerminationTimes {
  readonly minDrainMs: number;
  readonly maxDrainMs: number;
  readonly stopTimeMs: number;
}

/** @returns when the stop signal comes at the latest @param beganAtMs of the end as a whole */
export function lastSignalAtMs(beganAtMs: number, times: TerminationTimes): number {
  const { minDrainMs, maxDrainMs, stopTimeMs } = times;
  return beganAtMs + minDrainMs + maxDrainMs - Math.min(stopTimeMs, maxDrainMs * STOP_PART);
}
