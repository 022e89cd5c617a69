/** Named one-shot timers: arming one again replaces it; after `clear` none fires. */
import type { Clock, Timer } from "../platform/clock.ts";

export class Timers<Name extends string> {
  readonly #timers = new Map<Name, { timer: Timer; dueAtMs: number }>();

  constructor(readonly clock: Clock, readonly onTimer: (name: Name) => void) {}

  arm(name: Name, delayMs: number): void {
    this.disarm(name);
    const fire = () => {
      this.#timers.delete(name);
      this.onTimer(name);
    };
    const dueAtMs = this.clock.now() + delayMs;
    this.#timers.set(name, { timer: this.clock.after(delayMs, fire), dueAtMs });
  }

  /** Makes an armed timer fire after `delayMs` at the latest. */
  limit(name: Name, delayMs: number): void {
    const dueAtMs = this.#timers.get(name)?.dueAtMs ?? -Infinity;
    if (dueAtMs > this.clock.now() + delayMs) this.arm(name, delayMs);
  }

  /** When it fires, on the clock's `now()`; null when it is not armed. */
  dueAtMs(name: Name): number | null {
    return this.#timers.get(name)?.dueAtMs ?? null;
  }

  disarm(name: Name): void {
    this.#timers.get(name)?.timer.cancel();
    this.#timers.delete(name);
  }

  clear(): void {
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
