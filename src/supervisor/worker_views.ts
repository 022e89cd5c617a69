/** The workers of a generation, for status. */
import { type SocketTable, takeCensus } from "../drain/connections.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { viewOf } from "../generation/workers/worker_views.ts";
import type { GenerationView } from "../report/snapshot.ts";

/** @param whole the connections of all of them; @param isOwn tells those that are no other generation's by now */
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
  // Where there are several, what each has open tells; of one that is alone it need not be looked up.
  return workers.all.map(viewOf).map((view, _, { length }) => ({
    ...view,
    connections: length === 1
      ? whole
      : takeCensus(connectionsOf(view.number), quietMs, tracks).counts,
  }));
}
