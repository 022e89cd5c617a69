/**
 * How baton shares its time between a look at all connections and a close look at a few. Pure.
 *
 * An answer is held back for 200 ms at most, and for nothing where the next look comes later than that. So on a busy machine
 * only as many requests are released at a time as baton can look at again soon enough.
 */

/** Between two looks at all connections. */
const SCAN_MS = 4;
/** How many released connections are followed closely at a time, so that their next request is not missed. */
const MOST_FOLLOWED = 4;
/** A request that the server has not read within this time is looked at with all others. */
const FOLLOWED_MS = 10;
/** When a look at all connections takes this long, it comes too late for an answer that is held back. */
const SLOW_MS = 100;
/** Between two looks at the same few connections then. */
const SOON_MS = 100;
/** Most of the time is for the few then. */
const SHARE = 2;
const FOLLOWED_SLOWLY_MS = 1_000;

interface Pace {
  /** Whether requests are released a few at a time, whether answers can be held back or not. */
  readonly isSlow: boolean;
  /** From the beginning of a look at all connections to the next one. */
  readonly scanMs: number;
  readonly mostFollowed: number;
  readonly followedMs: number;
}

/** @param tookMs what the last look at `connections` connections took */
export function paceAfter(tookMs: number, connections: number): Pace {
  if (tookMs < SLOW_MS) {
    const few = { mostFollowed: MOST_FOLLOWED, followedMs: FOLLOWED_MS };
    return { isSlow: false, scanMs: SCAN_MS, ...few };
  }
  const mostFollowed = Math.max(MOST_FOLLOWED, Math.floor(connections * SOON_MS / tookMs));
  return { isSlow: true, scanMs: tookMs * SHARE, mostFollowed, followedMs: FOLLOWED_SLOWLY_MS };
}
