/**
 * A server that has stopped to accept, as seen from outside: the same connection waits in its queue, look after look,
 * and none of its processes has got a new one meanwhile. Pure.
 *
 * A server that is merely slow accepts now and then, and one that is quick may be found with nothing in its hands at
 * every look: but whoever waited at the one look does not wait at the next. One without clients has nobody waiting.
 */

/** One look at the queues and connections of a generation. */
export interface QueueLook {
  readonly atMs: number;
  /** Connections in its accept queues. */
  readonly waiting: number;
  /** Who has not been accepted by anybody: those in its queues are among them. */
  readonly unaccepted: ReadonlySet<string>;
  /** Its processes have a connection that they did not have at the look before. */
  readonly hasAccepted: boolean;
}

/** Nothing has moved; null: it moves, or nobody waits. */
export type Stall = {
  /** On the clock of the looks. */
  readonly sinceMs: number;
  /** Who has been waiting since then. */
  readonly unaccepted: ReadonlySet<string>;
} | null;

export function afterLook(
  stall: Stall,
  { atMs, waiting, unaccepted, hasAccepted }: QueueLook,
): Stall {
  if (waiting === 0 || hasAccepted) return null;
  const still = new Set([...unaccepted].filter((who) => stall?.unaccepted.has(who)));
  if (stall === null || still.size === 0) return { sinceMs: atMs, unaccepted };
  return { sinceMs: stall.sinceMs, unaccepted: still };
}
