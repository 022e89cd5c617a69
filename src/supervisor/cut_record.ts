/**
 * What baton has cut of one generation: the one place where that is counted. What the log, `baton status`, the report of
 * a reload and the exit status say is read from the same facts.
 *
 * Cut is what was owed something when it ended: an answer, the rest of one, the body of a request that the server has
 * asked for. Undecided is what ended while that was not known.
 */
import type { Census } from "../drain/connections.ts";
import type { GenerationFacts } from "../upgrade/resume_state.ts";

/** Who can say what there is at this moment. */
export interface Counted {
  /** Looks once more. */
  recount(): void;
  readonly census: Pick<Census, "busy" | "undecided">;
  /** Connections in its queue. */
  readonly waiting: number;
}

export class CutRecord {
  /** Inodes: each is counted once, also when a second signal follows the first. */
  readonly #counted = new Set<number>();
  #hasCountedQueue = false;
  #closed = 0;

  constructor(readonly facts: Pick<GenerationFacts, "cut" | "undecided">) {}

  /** Those of `cut` that were closed one by one. */
  get closedOneByOne(): number {
    return this.#closed;
  }

  /** Connections that were owed something were closed. */
  closed(inodes: readonly number[]): void {
    const news = this.#uncounted(inodes);
    this.#closed += news;
    this.facts.cut += news;
  }

  /** All that there is will be cut now. A look that fails leaves what the one before has found. */
  cutAll(drain: Counted): void {
    try {
      drain.recount();
    } finally {
      this.facts.cut += this.#uncounted(drain.census.busy);
      this.facts.undecided += this.#uncounted(drain.census.undecided);
      if (!this.#hasCountedQueue) this.facts.cut += drain.waiting;
      this.#hasCountedQueue = true;
    }
  }

  #uncounted(inodes: Iterable<number>): number {
    const news = [...inodes].filter((inode) => !this.#counted.has(inode));
    for (const inode of news) this.#counted.add(inode);
    return news.length;
  }
}
