/** The first part of a drain: workers are asked to say goodbye, and the wait begins when they have been, or could not be. */

/**
 * A connection that was idle when its server was asked gets its goodbye with its next answer: a client that comes back
 * within this time leaves without a loss. Longer than --quiet, which is for servers that say nothing.
 */
const GOODBYE_QUIET_MS = 2_000;

/** Calls that are being made. */
export interface Saying {
  /** They are not waited for any more. */
  cutShort(): void;
}

/** Who is asked (goodbye.ts). */
export interface GoodbyeSayer {
  /**
   * @param onEnd not before this returns; whether a call has worked
   * @returns null: there is nothing to call
   */
  say(onEnd: (hasWorked: boolean) => void): Saying | null;
  /** It serves again. */
  takeBack(): void;
}

export class Farewell {
  /** One of them has been asked, and its clients may not have heard it yet. */
  hasSaid = false;
  #begin: (() => void) | null = null;
  #sayings: readonly Saying[] = [];

  /** Calls `begin` once, at once if there is nothing to say. */
  say(sayers: readonly { readonly goodbye: GoodbyeSayer }[], begin: () => void): void {
    this.cancel();
    this.hasSaid = false;
    let left = 0;
    const onEnd = (hasWorked: boolean) => {
      this.hasSaid ||= hasWorked;
      if (--left === 0) this.#end();
    };
    const sayings = sayers.map(({ goodbye }) => goodbye.say(onEnd)).filter((each) => each !== null);
    if (sayings.length === 0) return begin();
    left = sayings.length;
    this.#sayings = sayings;
    this.#begin = begin;
  }

  /** How long a connection is silent that is idle. @param isPressing the service ends, or new clients wait */
  quietMs(usualMs: number, isPressing = false): number {
    return this.hasSaid && !isPressing ? Math.max(usualMs, GOODBYE_QUIET_MS) : usualMs;
  }

  /** A signal is next: the wait begins, so that what the signal cuts is counted. */
  cutShort(): void {
    for (const saying of this.#sayings) saying.cutShort();
    this.#end();
  }

  cancel(): void {
    this.#begin = null;
    this.cutShort();
  }

  #end(): void {
    const begin = this.#begin;
    this.#begin = null;
    this.#sayings = [];
    begin?.();
  }
}
