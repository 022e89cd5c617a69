/** How long clients wait in accept queues, from looks at the connections that no process has accepted yet. Pure. */

interface Waits {
  /** Connections that were seen to wait, the present ones included. */
  readonly clients: number;
  readonly longestMs: number;
}

export class WaitRecord {
  /** When each connection that waits now was seen first. */
  readonly #waiting = new Map<string, number>();
  /** Connections that were there before new ones were held: the old generation accepts them. */
  readonly #others: ReadonlySet<string>;
  readonly #accepted: number[] = [];
  #longestMs = 0;

  /** @param present what waits at the beginning */
  constructor(present: ReadonlySet<string>) {
    this.#others = present;
  }

  /** @param unaccepted each named by its two ends */
  look(unaccepted: ReadonlySet<string>, atMs: number): void {
    for (const [connection, sinceMs] of this.#waiting) {
      this.#longestMs = Math.max(this.#longestMs, atMs - sinceMs);
      if (unaccepted.has(connection)) continue;
      this.#waiting.delete(connection);
      this.#accepted.push(atMs - sinceMs);
    }
    for (const connection of unaccepted) {
      if (this.#others.has(connection) || this.#waiting.has(connection)) continue;
      this.#waiting.set(connection, atMs);
    }
  }

  get waits(): Waits {
    const clients = this.#accepted.length + this.#waiting.size;
    return { clients, longestMs: Math.round(this.#longestMs) };
  }

  /** How long each of them has waited. */
  durationsMs(nowMs: number): number[] {
    const present = [...this.#waiting.values()].map((sinceMs) => nowMs - sinceMs);
    return [...this.#accepted, ...present];
  }
}
