/**
 * A server that has stopped to accept, as seen from outside: the same connection waits in its queue, look after look,
 * and none of its processes has got a new one meanwhile. Pure.
 *
 * A server that is merely slow accepts now and then, and one that is quick may be found with nothing in its hands at
 * every look: but whoever waited at the one look does not wait at the next. One without clients has nobody waiting.
 */

/** One look at the queues and connections of a generation. */
interface QueueSample {
  readonly atMs: number;
  /** Connections in its accept queues. */
  readonly waiting: number;
  /** Who has not been accepted by anybody: those in its queues are among them. */
  readonly unaccepted: ReadonlySet<string>;
  /** How many of them are in others' queues. */
  readonly elsewhere: number;
  /** Its processes have a connection that they did not have at the look before. */
  readonly hasAccepted: boolean;
}

/** Nothing has moved; null: it moves, or nobody waits. */
export type Stall = {
  /** On the clock of the looks. */
  readonly sinceMs: number;
  /** Who has been waiting since then. */
  readonly unaccepted: ReadonlySet<string>;
  /** The fewest in others' queues since then: as many of those who wait may be stuck there, and not here. */
  readonly elsewhere: number;
} | null;

export function nextStall(stall: Stall, look: QueueSample): Stall {
  const { atMs, waiting, unaccepted, hasAccepted } = look;
  if (waiting === 0 || hasAccepted) return null;
  const since = stall ?? { sinceMs: atMs, unaccepted, elsewhere: look.elsewhere };
  const still = new Set([...unaccepted].filter((who) => since.unaccepted.has(who)));
  const elsewhere = Math.min(since.elsewhere, look.elsewhere);
  if (still.size > elsewhere) return { sinceMs: since.sinceMs, unaccepted: still, elsewhere };
  return { sinceMs: atMs, unaccepted, elsewhere: look.elsewhere };
}
