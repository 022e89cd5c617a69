/**
 * Whether the next generation is to be asked about each accept(2), by what that costs: up to 0.2 ms for each new
 * connection (Node), nothing for requests on kept ones (docs/keep-alive.md). Pure, but for the counter that is read.
 */

/** New connections per second up to which `auto` pays for it: at most 2 % of one processor. */
export const AUTO_RATE = 100;
/** A rate over less time than this says nothing. */
const SHORTEST_MS = 1_000;

export type KeepAliveMode = "auto" | "migrate" | "leave";

/** @param rate new connections per second; null: not known, as at the first start */
export function trapsAccept(mode: KeepAliveMode, rate: number | null): boolean {
  if (mode === "auto") return rate === null || rate <= AUTO_RATE;
  return mode === "migrate";
}

/** New connections per second from one reload to the next. */
export class ConnectionRate {
  #last: { count: number | null; atMs: number };
  #rate: number | null = null;

  /** @param count connections that were ever made; null: cannot be counted */
  constructor(readonly count: () => number | null, readonly nowMs = () => performance.now()) {
    this.#last = { count: count(), atMs: nowMs() };
  }

  /** Since it was asked last, or a little longer. */
  take(): number | null {
    const { count: before, atMs: since } = this.#last;
    const atMs = this.nowMs();
    if (atMs - since < SHORTEST_MS) return this.#rate;
    const count = this.count();
    this.#last = { count, atMs };
    this.#rate = before === null || count === null
      ? null
      : (count - before) * 1000 / (atMs - since);
    return this.#rate;
  }
}
