/**
 * For how long after a switch a connection may still come to the old queue of a Unix socket: a connect(2) may have resolved
 * the path just before, and the scheduler may have stopped it then. It runs again after one turn of the others at its
 * processor. A turn is 0.75 to 3 ms long (sched(7), base_slice_ns), and ends with a tick, which is 10 ms at HZ=100. Pure.
 */
const TURN_MS = 10;
/** The shortest time, however idle the machine is. */
const LEAST_MS = 20;
/** The longest time, on a machine that is hopelessly overloaded. */
const MOST_MS = 200;
/** The time where the kernel does not say how many tasks are runnable. */
const UNKNOWN_MS = 50;

/** @param runnable tasks for each processor; null: unknown */
export function lateConnectMs(runnable: number | null): number {
  if (runnable === null) return UNKNOWN_MS;
  return Math.min(MOST_MS, Math.max(LEAST_MS, TURN_MS * Math.ceil(runnable)));
}
