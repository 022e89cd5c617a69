/** The workers of a generation, for status. */
import { type SocketTable, takeCensus } from "../drain/connections.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
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
  const { all } = running.workers;
  return all.map(({ number, state, pid, startedAt, restarts, server }) => ({
    number,
    state,
    pid: state === "exited" ? null : pid,
    startedAt: startedAt.toISOString(),
    // Where there are several, what each has open tells; of one that is alone it need not be looked up.
    connections: all.length === 1 ? whole : takeCensus(
      table.openBy(server.processes()).filter(isOwn),
      quietMs,
      running.tracks,
    ).counts,
    restarts,
  }));
}
