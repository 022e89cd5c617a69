/**
 * Verdicts that are not given yet, because what would make them wrong comes a moment later: a copy that has told the serving
 * generation to replace itself, or to end, exits first.
 */
import type { Clock, Timer } from "../platform/clock.ts";

export class OpenVerdicts {
  readonly #open = new Map<() => void, Timer>();

  constructor(readonly clock: Clock) {}

  /** Calls `give` once, after this time or when baton exits. */
  giveAfter(delayMs: number, give: () => void): void {
    const timer = this.clock.after(delayMs, () => {
      this.#open.delete(give);
      give();
    });
    this.#open.set(give, timer);
  }

  giveAll(): void {
    for (const [give, timer] of [...this.#open]) {
      timer.cancel();
      this.#open.delete(give);
      give();
    }
  }
}
