/**
 * For how long requests are held back while others are not ready to be moved. Pure.
 *
 * A round: who is held back stays so until it is over; then all are let in once more. The first is as long as it takes
 * to follow one request of each, and each is longer than the one before.
 */
const ROUND_MS = 20;
const ROUND_FOR_EACH_MS = 1;
const ROUND_GROWTH = 1.5;
const LONGEST_ROUND_MS = 1_000;
/**
 * Whoever never stops talking, and cannot be moved, is waited for until the drain time is over. Meanwhile the others
 * are held back for such a time, left alone for as long, and so on.
 */
const ATTEMPT_MS = 10_000;

export class Rounds {
  /** When the present one began. */
  sinceMs = -Infinity;
  #lengthMs = 0;

  /** @param drainTimeMs after this time the server is told to stop, whatever is under way */
  constructor(readonly startedAtMs: number, readonly drainTimeMs: number) {}

  /** Whether anybody may be held back now. */
  isAttempt(atMs: number): boolean {
    const elapsedMs = atMs - this.startedAtMs;
    return elapsedMs >= this.drainTimeMs - ATTEMPT_MS ||
      Math.floor(elapsedMs / ATTEMPT_MS) % 2 === 0;
  }

  /** Begins the next round when this one is over. @param connections how many there are */
  turn(atMs: number, connections: number): void {
    if (atMs - this.sinceMs < this.#lengthMs) return;
    const leastMs = ROUND_MS + connections * ROUND_FOR_EACH_MS;
    this.#lengthMs = Math.min(Math.max(this.#lengthMs * ROUND_GROWTH, leastMs), LONGEST_ROUND_MS);
    this.sinceMs = atMs;
  }
}
