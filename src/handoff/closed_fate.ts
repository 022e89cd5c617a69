/** What becomes of a listener that no process of its generation holds any more. Pure. */

interface ClosedListener {
  /** Another socket of the generation is held at the address. */
  readonly isHeldByOthers: boolean;
  /** The generation listens at another address. */
  readonly listensElsewhere: boolean;
  /** The process that opened it lives: it has closed it on purpose. */
  readonly openerLives: boolean;
  /** Clients wait in it for the generation, which has not passed its gate. */
  readonly isAwaited: boolean;
  /** Opened by a process that came after the gate. */
  readonly isPassing: boolean;
  /** Its generation gives its listeners up in a drain, with their queues in order. */
  readonly isDraining: boolean;
}

/** `wait`: a worker has died, or has tried whether its port is free: who listens next gets the queue, if that is soon. */
type ClosedFate = "keep" | "give up" | "wait";

export function fateOfClosed(
  { isHeldByOthers, listensElsewhere, openerLives, isAwaited, isPassing, isDraining }:
    ClosedListener,
): ClosedFate {
  // Without any other address it is the service that is gone, and its clients wait for the next one.
  if (!listensElsewhere || isHeldByOthers) return "keep";
  if (isPassing) return "give up";
  if (isDraining) return "keep";
  return openerLives && !isAwaited ? "give up" : "wait";
}
