/**
 * Reports about a failed candidate that wait for a moment: a copy that has told the serving generation to replace
 * itself, or to end, exits first, and only the consequence shows what it has done.
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
