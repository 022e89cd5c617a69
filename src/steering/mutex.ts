/** Admits one user at a time; the others wait for their turn, in order of arrival. */
export class Mutex {
  /** Turns in order of arrival; the first one is in progress. */
  readonly #turns: (() => void)[] = [];

  /** Calls `turn` when it is free, at once if it is; `leave` must follow. */
  enter(turn: () => void): void {
    if (this.#turns.push(turn) === 1) turn();
  }

  leave(): void {
    this.#turns.shift();
    this.#turns[0]?.();
  }
}
