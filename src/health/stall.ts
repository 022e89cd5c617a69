/**
 * A server that has stopped to accept, as seen from outside: connections wait in its queue, look after look, and none
 * of its processes has got a new one meanwhile. Pure.
 *
 * A server that is merely slow accepts now and then; one without clients has nobody waiting.
 */

/** One look at the queues and connections of a generation. */
export interface QueueLook {
  readonly atMs: number;
  /** Connections in its accept queues. */
  readonly waiting: number;
  /** Its processes have a connection that they did not have at the look before. */
  readonly hasAccepted: boolean;
}

/** Since when nothing has moved, on the clock of the looks; null: it moves, or nobody waits. */
export type Stall = number | null;

export function afterLook(stall: Stall, { atMs, waiting, hasAccepted }: QueueLook): Stall {
  if (waiting === 0 || hasAccepted) return null;
  return stall ?? atMs;
}
