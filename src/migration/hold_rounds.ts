/**
 * For how long requests are held while other connections are not ready to be moved. Pure.
 *
 * Held requests stay held until the end of a round; then each is released once. The first round takes as long as
 * following one request of each connection, and every round is longer than the one before.
 */
const ROUND_MS = 20;
const ROUND_PER_CONNECTION_MS = 1;
const ROUND_GROWTH = 1.5;
const LONGEST_ROUND_MS = 1_000;
/** A round is at least so many looks at all connections, because each must be seen in every phase, up to a longest time. */
const LEAST_LOOKS = 10;
const LONGEST_LOOKS_MS = 3_000;
/** Longest round where requests are released a few at a time: until each has had its turn. */
const LONGEST_TURNS_MS = 6_000;
/**
 * A connection that is never silent and cannot be moved delays the stop until the drain time is over. Meanwhile the
 * other connections are held for this long, left alone for as long, and so on.
 */
const ATTEMPT_MS = 10_000;

export class HoldRounds {
  startMs = -Infinity;
  #lengthMs = 0;
  #looks = 0;

  /** @param endMs after this time the server gets its stop signal, whatever is in progress: what is held then moves */
  constructor(readonly beganAtMs: number, readonly endMs: number) {}

  mayHold(atMs: number): boolean {
    const elapsedMs = atMs - this.beganAtMs;
    return elapsedMs >= this.endMs - ATTEMPT_MS ||
      Math.floor(elapsedMs / ATTEMPT_MS) % 2 === 0;
  }

  /**
   * Called before each look at all connections. @param waiting how many wait for their turn, where the others must not
   * be released meanwhile
   */
  advance(atMs: number, connections: number, waiting = 0): void {
    this.#looks++;
    const lastedMs = atMs - this.startMs;
    if (waiting > 0 && lastedMs < LONGEST_TURNS_MS) return;
    const isOver = lastedMs >= this.#lengthMs && this.#looks > LEAST_LOOKS;
    if (!isOver && lastedMs < LONGEST_LOOKS_MS) return;
    this.#looks = 1;
    const leastMs = ROUND_MS + connections * ROUND_PER_CONNECTION_MS;
    this.#lengthMs = Math.min(Math.max(this.#lengthMs * ROUND_GROWTH, leastMs), LONGEST_ROUND_MS);
    this.startMs = atMs;
  }
}
