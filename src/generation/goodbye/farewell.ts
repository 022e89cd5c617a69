/**
 * The first part of a drain: workers are asked to say goodbye, and the wait begins when they have been, or could not be. And
 * its last one: those that know of streams that look idle from outside are asked how many are left.
 */
import type { Clock, Timer } from "../../platform/clock.ts";

/**
 * A connection that was idle when its server was asked gets its goodbye with its next answer: a client that comes back
 * within this time leaves without a loss. Longer than --quiet, which is for servers that say nothing.
 */
const GOODBYE_QUIET_MS = 2_000;

/** Between two questions about open streams. */
const STREAMS_PAUSE_MS = 1_000;

/** Goodbye calls that are on their way. */
export interface Saying {
  /** The calls are not waited for any more. */
  cutShort(): void;
}

/** One worker that is asked (goodbye.ts). */
export interface GoodbyeSayer {
  /**
   * @param onEnd called after this has returned, with whether a call has worked
   * @returns null: there is nothing to call
   */
  say(onEnd: (hasWorked: boolean) => void): Saying | null;
  /** The worker serves again: it is asked to stop saying goodbye. */
  takeBack(): void;
  /** How many of its open streams look idle from outside; null: the server has no such thing. */
  streams(): Promise<number> | null;
}

type Sayers = readonly { readonly goodbye: GoodbyeSayer }[];

export class Farewell {
  /** A worker has been asked, and its clients may not have heard of it yet. */
  hasSaid = false;
  /** Streams that were open at the latest question. */
  openStreams = 0;
  #asking: object | null = null;
  #timer: Timer | null = null;
  #begin: (() => void) | null = null;
  #sayings: readonly Saying[] = [];

  /** @param clock null: it does not ask about streams */
  constructor(readonly clock: Clock | null = null) {}

  /** Calls `begin` once, at once if there is nothing to say. */
  say(sayers: Sayers, begin: () => void): void {
    this.#say(sayers, () => {
      // The streams are counted now, too: the drain time may be over before the drain is.
      this.askStreams(sayers, { waits: true, then: () => {} });
      begin();
    });
  }

  #say(sayers: Sayers, begin: () => void): void {
    this.cancel();
    this.hasSaid = false;
    this.openStreams = 0;
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

  /**
   * Asks until no stream is left, or once.
   * @param then once, at once if none of them has streams; whether some were waited for
   */
  askStreams(
    sayers: Sayers,
    { waits, then }: { waits: boolean; then: (hasWaited: boolean) => void },
  ): void {
    const { clock } = this;
    if (clock === null) return then(false);
    this.#timer?.cancel();
    const asking = this.#asking = {};
    const ask = async (hasWaited: boolean, asked: readonly Promise<number>[]): Promise<void> => {
      const counts = await Promise.all(asked);
      if (this.#asking !== asking) return;
      this.openStreams = counts.reduce((sum, count) => sum + count, 0);
      if (this.openStreams === 0 || !waits) return then(hasWaited);
      this.#timer = clock.after(STREAMS_PAUSE_MS, () => void ask(true, questions()));
    };
    const questions = () =>
      sayers.map(({ goodbye }) => goodbye.streams()).filter((q) => q !== null);
    const first = questions();
    if (first.length === 0) return then(false);
    void ask(false, first);
  }

  /**
   * After how much silence a connection counts as idle.
   * @param isPressing the service ends, or new clients wait
   */
  quietMs(usualMs: number, isPressing = false): number {
    return this.hasSaid && !isPressing ? Math.max(usualMs, GOODBYE_QUIET_MS) : usualMs;
  }

  /** A signal is next: the drain's wait begins at once, so that what the signal cuts is counted. */
  cutShort(): void {
    this.#asking = null;
    this.#timer?.cancel();
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
