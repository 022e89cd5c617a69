/** Which system calls the poll thread lets continue at once, for all notify descriptors or for one: memory that it reads. */
import { PASSING_COUNT_MASK } from "./runtime/runtime.ts";

/** How many pairs there are of a passing call and a notify descriptor, and room for them. */
const MOST_PASSING = 128;
const PASSING_WORDS = 1 + 2 * MOST_PASSING;

export class PassingList {
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * PASSING_WORDS));
  /** Passing calls by notify descriptor. */
  readonly #calls = new Map<number, readonly number[]>();
  #version = 0;
  #isPaused = false;

  /** The list as memory, as `PollOptions.passing` describes it. */
  get shared(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  /** @param descriptor 0 or less: of all of them */
  set(descriptor: number, calls: readonly number[]): void {
    if (calls.length > 0) this.#calls.set(descriptor, calls);
    else if (!this.#calls.delete(descriptor)) return;
    this.#publish();
  }

  /** Pauses: no call passes until `resume`. */
  pause(): void {
    this.#isPaused = true;
    this.#publish();
  }

  resume(): void {
    this.#isPaused = false;
    this.#publish();
  }

  #publish(): void {
    const passing = this.#isPaused ? [] : [...this.#calls];
    const pairs = passing.flatMap(([fd, calls]) => calls.map((call) => [call, Math.max(fd, 0)]));
    // A call that finds no room does not pass by itself: the main thread answers it.
    const stored = pairs.slice(0, MOST_PASSING);
    // The thread may be reading meanwhile: what it finds counts only if the first word is still the same.
    const version = ++this.#version * (PASSING_COUNT_MASK + 1);
    Atomics.store(this.#words, 0, version);
    stored.flat().forEach((word, i) => Atomics.store(this.#words, i + 1, word));
    Atomics.store(this.#words, 0, version + stored.length);
  }
}
