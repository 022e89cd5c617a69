/** When a drain looks at its connections again. Pure. */

/** Between two looks while the queue is not known to be empty. */
const QUEUE_LOOK_MS = 10;
/** Between two looks at connections; grows from the first to the second. */
const FIRST_LOOK_MS = 20;
const SLOWEST_LOOK_MS = 250;
/** Between two looks after `onDrained`: connections are being moved, or the server finishes them. */
const DRAINED_LOOK_MS = 1_000;
/** Between two looks while long-lived connections are closed one by one. */
const SPREAD_LOOK_MS = 40;
/** Between two looks while new clients wait for the end of the drain. */
const HELD_LOOK_MS = 2;
/** A pause is at least so many times as long as the look before it took. */
const PAUSE_PER_COST = 4;
/**
 * As PAUSE_PER_COST, where only silence is waited for: looks before it is long enough show no more than who sends
 * again.
 */
const SILENT_PAUSE_PER_COST = 16;
const QUEUE_PAUSE_PER_COST = 2;
/** Ages that the kernel shows may be a tick behind, 10 ms at HZ=100. */
const TICK_MS = 10;

interface Moment {
  /** What the latest look took. */
  readonly costMs: number;
  readonly queueIsEmpty: boolean;
  readonly isDrained: boolean;
  readonly isHeld: boolean;
  readonly isSpreading: boolean;
  /** If nothing moves, nothing will block the drain after this time; null: that is not known. */
  readonly waitMs: number | null;
  /** Until long-lived connections begin to be closed. */
  readonly untilSpreadMs: number;
}

export class Pace {
  #lookMs = FIRST_LOOK_MS;

  /** @returns the pause before the next look */
  next(moment: Moment): number {
    const { costMs, isDrained, isHeld, isSpreading } = moment;
    const isSilent = moment.waitMs !== null;
    const leastMs = costMs * (isSilent && !isSpreading ? SILENT_PAUSE_PER_COST : PAUSE_PER_COST);
    if (isSpreading) return Math.max(SPREAD_LOOK_MS, leastMs);
    if (isHeld && !isDrained) return Math.max(HELD_LOOK_MS, costMs);
    if (!moment.queueIsEmpty) return Math.max(QUEUE_LOOK_MS, costMs * QUEUE_PAUSE_PER_COST);
    const nextMs = Math.max(this.#usualMs(isDrained), leastMs);
    const untilMs = moment.untilSpreadMs > 0 ? moment.untilSpreadMs : Infinity;
    // That look decides: an earlier one would only cost, a later one would be waited for.
    const decisiveMs = isDrained || moment.waitMs === null ? Infinity : moment.waitMs + TICK_MS;
    return Math.min(nextMs, untilMs, Math.max(decisiveMs, costMs));
  }

  #usualMs(isDrained: boolean): number {
    const usualMs = this.#lookMs;
    this.#lookMs = Math.min(usualMs * 2, isDrained ? DRAINED_LOOK_MS : SLOWEST_LOOK_MS);
    return usualMs;
  }
}
