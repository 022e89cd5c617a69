/** Admits one user at a time; the others wait for their turn, in order of arrival. */
export class Mutex {
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;

  /** Calls `turn` when it is free, at once if it is; `leave` must follow. */
  enter(turn: () => void): void {
    if (this.#isTaken) {
      this.#waiting.push(turn);
      return;
    }
    this.#isTaken = true;
    turn();
  }

  leave(): void {
    this.#isTaken = false;
    const next = this.#waiting.shift();
    if (next !== undefined) this.enter(next);
  }
}
