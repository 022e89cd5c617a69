/** Who waits for what: requests to reload or upgrade, and the promise each of them holds. */

interface Pending<Report> {
  readonly askedAt: number;
  readonly resolve: (report: Report) => void;
}

let next = 1;

/** A number that no other request of this process has. */
export function nextRequest(): number {
  return next++;
}

export class PendingRequests<Report extends { durationMs: number }> {
  readonly #pending = new Map<number, Pending<Report>>();

  /** A new request. */
  open(): { request: number; answer: Promise<Report> } {
    const request = nextRequest();
    const { promise, resolve } = Promise.withResolvers<Report>();
    this.#pending.set(request, { askedAt: performance.now(), resolve });
    return { request, answer: promise };
  }

  /** @returns the longest time that one of `requests` has waited, in milliseconds; null when none is */
  longestWaitMs(requests: readonly number[]): number | null {
    const times = requests.flatMap((request) => this.#pending.get(request)?.askedAt ?? []);
    return times.length === 0 ? null : Math.round(performance.now() - Math.min(...times));
  }

  /**
   * Answers each of `requests` that is still waiting.
   */
  answer(requests: readonly number[], report: Omit<Report, "durationMs">): void {
    for (const request of requests) {
      const pending = this.#pending.get(request);
      if (pending === undefined) continue;
      this.#pending.delete(request);
      const durationMs = Math.round(performance.now() - pending.askedAt);
      pending.resolve({ ...report, durationMs } as Report);
    }
  }
}
