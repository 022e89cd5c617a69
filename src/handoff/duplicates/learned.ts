/**
 * Under the socket trap a generation shows at which descriptors it binds its listeners. The next one can do without:
 * its filter asks about setsockopt(2) of those descriptors only, so that a socket put in place at bind(2) has all that
 * was set (late_bind.ts), and what it opens to connect out costs nothing. Pure.
 */

/** A filter compares them one by one. */
const MOST_DESCRIPTORS = 16;

export class LearnedListeners {
  readonly #descriptors = new Set<number>();
  readonly #replacing = new Set<number>();
  #unsuited: string | null = null;

  /** Why all generations from now on get the socket trap; null: not that. */
  get unsuited(): string | null {
    return this.#unsuited;
  }

  /**
   * A listener is bound at descriptor `number`.
   * @param unsuited why it cannot be replaced; null: it can
   */
  note(epoch: number, number: number, unsuited: string | null): void {
    this.#unsuited ??= unsuited;
    if (this.#replacing.has(epoch) && !this.#descriptors.has(number)) {
      this.#unsuited ??= `a listener at descriptor ${number}, where generations before had none`;
    }
    this.#descriptors.add(number);
    if (this.#descriptors.size > MOST_DESCRIPTORS) this.#unsuited ??= "many listeners";
  }

  /** @returns where generation `epoch`, which starts now, will have its listeners; null: unknown, so sockets are trapped */
  begin(epoch: number): readonly number[] | null {
    if (this.#unsuited !== null || this.#descriptors.size === 0) return null;
    this.#replacing.add(epoch);
    return [...this.#descriptors];
  }

  /** Whether the sockets of this generation are replaced at bind(2). */
  isReplacing(epoch: number): boolean {
    return this.#replacing.has(epoch);
  }

  forget(epoch: number): void {
    this.#replacing.delete(epoch);
  }
}
