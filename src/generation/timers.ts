/** Named one-shot timers: arming one again replaces it; after `clear` none fires. */
export class Timers<Name extends string> {
  readonly #timers = new Map<Name, { timer: ReturnType<typeof setTimeout>; dueAtMs: number }>();

  constructor(readonly onTimer: (name: Name) => void) {}

  arm(name: Name, delayMs: number): void {
    this.disarm(name);
    const fire = () => {
      this.#timers.delete(name);
      this.onTimer(name);
    };
    const dueAtMs = performance.now() + delayMs;
    this.#timers.set(name, { timer: setTimeout(fire, delayMs), dueAtMs });
  }

  /** One that is armed fires after this time at the latest. */
  limit(name: Name, delayMs: number): void {
    const dueAtMs = this.#timers.get(name)?.dueAtMs ?? -Infinity;
    if (dueAtMs > performance.now() + delayMs) this.arm(name, delayMs);
  }

  /** When it will fire, on the clock of `performance.now()`; null: it is not armed. */
  dueAtMs(name: Name): number | null {
    return this.#timers.get(name)?.dueAtMs ?? null;
  }

  disarm(name: Name): void {
    clearTimeout(this.#timers.get(name)?.timer);
    this.#timers.delete(name);
  }

  clear(): void {
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
