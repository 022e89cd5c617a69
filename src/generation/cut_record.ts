/**
 * What baton has cut of one generation: the one place where that is counted. What the log, `baton status`, the report of
 * a reload and the exit status say is read from the same facts.
 *
 * Cut is what was owed something when it ended: an answer, the rest of one, the body of a request that the server has
 * asked for. Undecided is what ended while that was not known.
 */
import type { Census } from "../drain/connections.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";

/** Who can say what there is at this moment. */
interface Counted {
  /** Looks once more. */
  recount(): void;
  readonly census: Pick<Census, "busy" | "undecided">;
  /** Connections in its queue. */
  readonly waiting: number;
}

export class CutRecord {
  /** By inode, as what: each is counted once, also when a second signal follows the first. */
  readonly #counted = new Map<number, "cut" | "undecided">();
  #hasCountedQueue = false;
  #closed = 0;

  constructor(readonly facts: Pick<GenerationFacts, "cut" | "undecided">) {}

  /** Those of `cut` that were closed one by one. */
  get closedOneByOne(): number {
    return this.#closed;
  }

  /** Connections that were owed something were closed. */
  closed(inodes: readonly number[]): void {
    this.#closed += this.#count(inodes, "cut");
  }

  /** All that there is will be cut now. A look that fails leaves what the one before has found. */
  cutAll(drain: Counted): void {
    try {
      drain.recount();
    } finally {
      this.#count(drain.census.busy, "cut");
      this.#count(drain.census.undecided, "undecided");
      if (!this.#hasCountedQueue) this.facts.cut += drain.waiting;
      this.#hasCountedQueue = true;
    }
  }

  /** A process that has outlived the signal has these open, and may finish with them. @returns how many were counted */
  uncount(inodes: Iterable<number>): number {
    let spared = 0;
    for (const inode of inodes) {
      const as = this.#counted.get(inode);
      if (as === undefined) continue;
      this.#counted.delete(inode);
      this.facts[as]--;
      spared++;
    }
    return spared;
  }

  #count(inodes: Iterable<number>, as: "cut" | "undecided"): number {
    const news = [...inodes].filter((inode) => !this.#counted.has(inode));
    for (const inode of news) this.#counted.set(inode, as);
    this.facts[as] += news.length;
    return news.length;
  }
}
