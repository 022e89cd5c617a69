/** Whether a generation has as many workers as it is to have, and which are too many. Pure. */
import type { WorkerStatus } from "../../report/worker_status.ts";

interface Sized {
  readonly number: number;
  readonly state: WorkerStatus["state"];
  /** The worker is there, and was not asked to end. */
  readonly isActive: boolean;
}

/**
 * @returns the workers that are too many: those with the highest numbers, except the last one that serves, since those
 * that are to stay may be crashing
 */
export function surplus<T extends Sized>(workers: readonly T[], size: number): readonly T[] {
  const leaving = workers.filter(({ number, isActive }) => number >= size && isActive);
  const stays = workers.some(({ number, state }) => number < size && state === "serving");
  const last = stays ? undefined : leaving.find(({ state }) => state === "serving");
  return leaving.filter((worker) => worker !== last);
}

/**
 * Whether the workers that are to be there serve, and no other one lives. A worker that crashes in a loop is not waited
 * for, and the one that serves in its place stays.
 */
export function isComplete<T extends Sized>(
  workers: readonly T[],
  size: number,
  isCrashing: (worker: T) => boolean,
): boolean {
  const tooMany = workers.filter(({ number }) => number >= size);
  const others = workers.filter(({ number }) => number < size);
  const isStandIn = ({ state, isActive }: T) => state === "serving" && isActive;
  return others.length === size &&
    others.every((worker) =>
      worker.state === "serving" ||
      isCrashing(worker) && (worker.state === "exited" || worker.state === "starting")
    ) && tooMany.every(isStandIn) && surplus(workers, size).length === 0;
}
