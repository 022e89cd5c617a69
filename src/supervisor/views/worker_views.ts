/** The workers of a generation, for status. */
import { type SocketTable, takeCensus } from "../../drain/connections.ts";
import { RunningGeneration } from "../../generation/generation.ts";
import type { GenerationHandle } from "../../generation/handle.ts";
import type { Worker } from "../../generation/workers/worker.ts";
import type { GenerationView } from "../../report/snapshot.ts";
import type { WorkerStatus } from "../../report/worker_status.ts";

/**
 * @param whole the connections of all workers
 * @param isOwn tells connections that belong to no other generation by now
 */
export function workerViews(
  running: GenerationHandle | undefined,
  whole: GenerationView["connections"],
  table: SocketTable,
  { quietMs, isOwn }: {
    readonly quietMs: number;
    isOwn(connection: { readonly inode: number }): boolean;
  },
): GenerationView["workers"] {
  if (!(running instanceof RunningGeneration)) return [];
  const { workers, tracks } = running;
  const connectionsOf = (number: number) =>
    table.openBy(workers.get(number)?.server.processes() ?? []).filter(isOwn);
  const isAlone = workers.all.length === 1;
  return workers.all.map((worker) => ({
    ...viewOf(worker),
    // Which connections each of several workers has, its open descriptors tell; a worker that is alone has all of them.
    connections: isAlone ? whole : takeCensus(connectionsOf(worker.number), quietMs, tracks).counts,
  }));
}

function viewOf(
  { number, pid, state, startedAt, restarts }: Worker,
): Omit<WorkerStatus, "connections"> {
  return {
    number,
    state,
    pid: state === "exited" ? null : pid,
    startedAt: startedAt.toISOString(),
    restarts,
  };
}

export function drainCallViews(
  running: GenerationHandle | undefined,
): GenerationView["drainCalls"] {
  if (!(running instanceof RunningGeneration)) return [];
  return running.workers.all.flatMap(({ goodbye }) => goodbye.views);
}
