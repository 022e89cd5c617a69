/**
 * When a generation that gets connections is deaf: one waits in a queue of its listeners, and no process has those open
 * any more. baton's duplicate keeps the queue, so clients are not refused, and would wait in vain. Pure.
 */

/**
 * How long a server may be without a listener: it may open it again (a configuration that it reads again), or be about
 * to end.
 */
export const DEAF_MS = 500;

/** How long a server may leave its listeners alone: it may be full for the moment. */
export const IGNORING_MS = 2_500;

interface DeafLook {
  readonly atMs: number;
  /** Connections in its queues. */
  readonly waiting: number;
  /**
   * Whether some process has a listener and waits for it, or one that had it is gone and may be replaced by its parent.
   */
  readonly isHeld: boolean;
  /** Whether nothing happens in any of its processes. */
  readonly isAsleep: boolean;
}

/** @param sinceMs it has been without a listener since then; null: it has one, or nothing waits @returns the same now */
export function deafSince(sinceMs: number | null, look: DeafLook): number | null {
  if (look.isHeld || !look.isAsleep) return null;
  return sinceMs ?? (look.waiting > 0 ? look.atMs : null);
}
