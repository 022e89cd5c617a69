/**
 * Whether the next generation's accept(2) calls are trapped. The cost decides: up to 0.2 ms for each new connection
 * (Node), nothing for requests on open ones (docs/keep-alive.md).
 */
import type { Clock } from "../platform/clock.ts";

/** New connections per second up to which `auto` traps accept(2): at most 2 % of one processor. */
export const AUTO_RATE = 100;
/**
 * The rate up to which accept(2) is trapped in a generation to which waiting clients are delivered: otherwise they, and
 * all that come before it is ready, would get its errors. At most 20 % of one processor, until the next reload.
 */
const DELIVERY_RATE = 1_000;
/** A rate over a shorter time than this is meaningless. */
const SHORTEST_MS = 1_000;

export type KeepAliveMode = "auto" | "migrate" | "leave";

/** @param rate new connections per second; null: unknown, as at the first start */
export function shouldTrapAccept(mode: KeepAliveMode, rate: number | null): boolean {
  if (mode === "auto") return rate === null || rate <= AUTO_RATE;
  return mode === "migrate";
}

export function shouldDeliver(rate: number | null): boolean {
  return rate === null || rate <= DELIVERY_RATE;
}

/** New connections per second from one reload to the next. */
export class ConnectionRate {
  #last: { count: number | null; atMs: number };
  #rate: number | null = null;

  /** @param count connections accepted since boot; null: cannot be counted */
  constructor(readonly count: () => number | null, readonly clock: Pick<Clock, "now">) {
    this.#last = { count: count(), atMs: clock.now() };
  }

  /** @returns the rate since the previous call; that call's own when it was less than SHORTEST_MS ago */
  measure(): number | null {
    const { count: before, atMs: sinceMs } = this.#last;
    const atMs = this.clock.now();
    if (atMs - sinceMs < SHORTEST_MS) return this.#rate;
    const count = this.count();
    this.#last = { count, atMs };
    this.#rate = before === null || count === null
      ? null
      : (count - before) * 1000 / (atMs - sinceMs);
    return this.#rate;
  }
}
