/** How long a shutdown may wait for connections before the stop signal. Pure. */

/** The part of `maxDrainMs` that is kept for the server's handler of the stop signal. */
const STOP_PART = 1 / 4;

interface ShutdownTimes {
  readonly minDrainMs: number;
  readonly maxDrainMs: number;
  readonly stopTimeMs: number;
}

/** @returns the latest time for the stop signal @param beganAtMs of the whole shutdown */
export function lastSignalAtMs(beganAtMs: number, times: ShutdownTimes): number {
  const { minDrainMs, maxDrainMs, stopTimeMs } = times;
  return beganAtMs + minDrainMs + maxDrainMs - Math.min(stopTimeMs, maxDrainMs * STOP_PART);
}
