/** Named one-shot timers: arming one again replaces it; after `clear` none fires. */
export class Timers<Name extends string> {
  readonly #timers = new Map<Name, ReturnType<typeof setTimeout>>();

  constructor(readonly onTimer: (name: Name) => void) {}

  arm(name: Name, delayMs: number): void {
    this.disarm(name);
    const fire = () => {
      this.#timers.delete(name);
      this.onTimer(name);
    };
    this.#timers.set(name, setTimeout(fire, delayMs));
  }

  disarm(name: Name): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
