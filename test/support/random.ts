/** Random numbers that can be had again: mulberry32, seeded. Not for anything that must be secret. */
import process from "node:process";

export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, at least 0 and less than `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** The seed in $BATON_TEST_SEED, else a new one; it is printed, so that a failure can be had again. */
export function testSeed(): number {
  const given = process.env["BATON_TEST_SEED"];
  const seed = given === undefined ? Date.now() >>> 0 : Number(given);
  process.stderr.write(`  seed ${seed} (BATON_TEST_SEED=${seed} repeats this run)\n`);
  return seed;
}
