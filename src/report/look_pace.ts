/**
 * When the readers of a summary get a new look at the connections, and when they share the latest one: looks take a
 * hundredth of the time, whatever the number of readers, until they take so long that the next would be too late. Pure.
 */

/** Shortest pause between two looks: nothing that a person watches needs a newer one. */
const LEAST_MS = 500;
/** Longest pause between two looks: in `baton top` the numbers still move. */
const MOST_MS = 5_000;
const PART_OF_TIME = 100;

export interface Look {
  readonly beganAtMs: number;
  readonly tookMs: number;
}

/** @param latest null: there was none */
export function isLookDue(latest: Look | null, atMs: number): boolean {
  if (latest === null) return true;
  const pauseMs = Math.min(Math.max(latest.tookMs * PART_OF_TIME, LEAST_MS), MOST_MS);
  return atMs - latest.beganAtMs >= pauseMs;
}
