/**
 * Under the socket trap a generation shows at which descriptors it binds its listeners. The next one can do without:
 * its filter asks about setsockopt(2) of those descriptors only, so that a socket put in place at bind(2) has all that
 * was set (late_bind.ts), and what it opens to connect out costs nothing. If it fails, whatever the reason, the one after
 * it is trapped, and shows its descriptors once more. Pure.
 */

/** Descriptors that a filter can be asked about: it compares them one by one. */
const MOST_DESCRIPTORS = 16;

export class LearnedListeners {
  readonly #descriptors = new Set<number>();
  /** Generations without the trap, and whether they have passed their gate. */
  readonly #replacing = new Map<number, boolean>();
  /** Whether the next generation is trapped: the one before has failed, perhaps for lack of the trap. */
  #trapsNext = false;
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
    const isDoubted = this.#trapsNext;
    this.#trapsNext = false;
    if (this.#unsuited !== null || isDoubted || this.#descriptors.size === 0) return null;
    this.#replacing.set(epoch, false);
    return [...this.#descriptors];
  }

  /** Whether the sockets of this generation are replaced at bind(2). */
  isReplacing(epoch: number): boolean {
    return this.#replacing.has(epoch);
  }

  /** Generation `epoch` has passed its gate. */
  pass(epoch: number): void {
    if (this.#replacing.has(epoch)) this.#replacing.set(epoch, true);
  }

  /**
   * Generation `epoch` has ended. Where it has not passed its gate, the reason may be that its sockets were replaced.
   */
  forget(epoch: number): void {
    if (this.#replacing.get(epoch) === false) this.#trapsNext = true;
    this.#replacing.delete(epoch);
  }
}
