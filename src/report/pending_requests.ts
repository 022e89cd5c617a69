/** Requests (reload, upgrade, trial) whose callers wait for a report, each with the promise of it. */
import type { Clock } from "../platform/clock.ts";

let next = 1;

/** Makes a number that no other request of this process has. */
export function nextRequest(): number {
  return next++;
}

export class PendingRequests<Report extends { durationMs: number }> {
  readonly #pending = new Map<number, { openedAtMs: number; resolve: (report: Report) => void }>();

  constructor(readonly clock: Clock) {}

  open(): { request: number; answer: Promise<Report> } {
    const request = nextRequest();
    const { promise, resolve } = Promise.withResolvers<Report>();
    this.#pending.set(request, { openedAtMs: this.clock.now(), resolve });
    return { request, answer: promise };
  }

  /** @returns the longest time that one of `requests` has waited; null when none waits */
  longestWaitMs(requests: readonly number[]): number | null {
    const times = requests.flatMap((request) => this.#pending.get(request)?.openedAtMs ?? []);
    return times.length === 0 ? null : this.#since(Math.min(...times));
  }

  /** Answers those of `requests` that still wait. */
  answer(requests: readonly number[], report: Omit<Report, "durationMs">): void {
    for (const request of requests) {
      const pending = this.#pending.get(request);
      if (pending === undefined) continue;
      this.#pending.delete(request);
      pending.resolve({ ...report, durationMs: this.#since(pending.openedAtMs) } as Report);
    }
  }

  #since(atMs: number): number {
    return Math.round(this.clock.now() - atMs);
  }
}
