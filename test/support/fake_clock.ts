/** A clock that stands still until a test moves it: timers fire in the order of their time, at exactly that time. */
import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../../src/platform/clock.ts";

interface Pending {
  readonly atMs: number;
  readonly fire: () => void;
}

export class FakeClock implements Clock {
  /** How long each reading of the time takes: for code that runs until a time has come, and for slow machines. */
  readCostMs = 0;
  #nowMs = 0;
  readonly #pending = new Set<Pending>();

  /** @param startMs of the wall clock: any fixed moment */
  constructor(readonly startMs = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.#nowMs += this.readCostMs;
  }

  wallMs(): number {
    return this.startMs + this.#nowMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    const pending = { atMs: this.#nowMs + Math.max(0, delayMs), fire };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /** The caller blocks for so long: timers that are due meanwhile fire late. */
  block(ms: number): void {
    this.#nowMs += ms;
  }

  /** Timers that are set and have not fired. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Moves on by `ms`, and fires what is due on the way, what these timers set included. Promises that a timer resolves
   * have run their next step before the next timer fires.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const due = [...this.#pending].filter(({ atMs }) => atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#pending.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fire();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
    await settled();
  }
}

/** All promises that can go on without time or the outside have. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
