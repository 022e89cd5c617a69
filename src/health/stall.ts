/**
 * Detects a server that has stopped accepting, from outside: the same connection waits in its queue at every sample,
 * and none of its processes has got a new one meanwhile. Pure.
 *
 * A slow server accepts now and then. A fast one may have no connection open at any sample, but a connection that
 * waited at one sample does not wait at the next. A server without clients has an empty queue.
 */

/** The queues and connections of a generation at one moment. */
interface QueueSample {
  readonly atMs: number;
  /** Connections in its accept queues. */
  readonly waiting: number;
  /** Connections that no process has accepted, including those in its queues. */
  readonly unaccepted: ReadonlySet<string>;
  /** How many of them are in queues of others. */
  readonly elsewhere: number;
  /** Whether its processes have a connection that they did not have at the previous sample. */
  readonly hasAccepted: boolean;
}

/** No connection has been accepted; null: some were, or none waits. */
export type Stall = {
  /** When it began, on the clock of the samples. */
  readonly sinceMs: number;
  /** Connections that have been waiting since then. */
  readonly unaccepted: ReadonlySet<string>;
  /** The fewest in queues of others since then: that many of the waiting ones may be stuck there instead. */
  readonly elsewhere: number;
} | null;

export function nextStall(stall: Stall, sample: QueueSample): Stall {
  const { atMs, waiting, unaccepted, hasAccepted } = sample;
  if (waiting === 0 || hasAccepted) return null;
  const since = stall ?? { sinceMs: atMs, unaccepted, elsewhere: sample.elsewhere };
  const still = new Set([...unaccepted].filter((each) => since.unaccepted.has(each)));
  const elsewhere = Math.min(since.elsewhere, sample.elsewhere);
  if (still.size > elsewhere) return { sinceMs: since.sinceMs, unaccepted: still, elsewhere };
  return { sinceMs: atMs, unaccepted, elsewhere: sample.elsewhere };
}
