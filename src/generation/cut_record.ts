/**
 * What baton has cut of one generation: the one place that counts it. Cut is a connection that was owed something when
 * it ended: an answer, the rest of one, the body of a request that the server has asked for. Undecided is one that
 * ended while that was not known.
 */
import type { Drain } from "../drain/drain.ts";
import { SystemCallError } from "../platform/error.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";

export class CutRecord {
  /** How many of `cut` were closed one by one, at the end of a drain. */
  closedOneByOne = 0;
  /** Inodes by what they were counted as: once each, also when a second signal follows the first. */
  readonly #counted = new Map<number, "cut" | "undecided">();
  #hasCountedQueue = false;

  constructor(readonly facts: Pick<GenerationFacts, "cut" | "undecided">) {}

  /** Connections that were owed something were closed. */
  closed(inodes: readonly number[]): void {
    this.closedOneByOne += this.#count(inodes, "cut");
  }

  /**
   * Counts everything that is open as cut, or as undecided. A look that fails leaves the result of the one before.
   * @param streams how many connections that look idle are not, as the server itself says (a WebSocket on which nothing
   * is said)
   */
  cutAll(drain: Pick<Drain, "recount" | "census" | "waiting">, streams = 0): void {
    try {
      drain.recount();
    } finally {
      const { busy, undecided, counts: { idle } } = drain.census;
      this.#count(busy, "cut");
      const left = Math.max(0, streams - busy.size);
      const quiet = [...undecided];
      this.#count(quiet.slice(0, left), "cut");
      this.#count(quiet.slice(left), "undecided");
      if (!this.#hasCountedQueue) {
        this.facts.cut += Math.min(Math.max(0, left - quiet.length), idle);
      }
      if (!this.#hasCountedQueue) this.facts.cut += drain.waiting;
      this.#hasCountedQueue = true;
    }
  }

  /**
   * Connections that are not cut after all: a process that has outlived the signal has them open, and may finish them.
   * @returns how many of these were counted
   */
  uncount(inodes: Iterable<number>): number {
    let uncounted = 0;
    for (const inode of inodes) {
      const as = this.#counted.get(inode);
      if (as === undefined) continue;
      this.#counted.delete(inode);
      this.facts[as]--;
      uncounted++;
    }
    return uncounted;
  }

  #count(inodes: Iterable<number>, as: "cut" | "undecided"): number {
    const news = [...inodes].filter((inode) => !this.#counted.has(inode));
    for (const inode of news) this.#counted.set(inode, as);
    this.facts[as] += news.length;
    return news.length;
  }
}

/** A look that fails (no descriptor left) changes nothing. */
export function ignoringFailedLook(look: () => void): void {
  try {
    look();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
  }
}
