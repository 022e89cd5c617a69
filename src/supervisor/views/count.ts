/** The connections of one generation, at one read of the kernel's socket tables. */
import {
  type ConnectionCounts,
  joinCensuses,
  NO_CONNECTIONS,
  type SocketTable,
  takeCensus,
} from "../../drain/connections.ts";
import { UnixConnections, unixListenersOf } from "../../drain/unix/unix_connections.ts";
import type { SupervisorParts } from "../parts.ts";

/** @returns whether a connection is not on its way from one generation to another */
export function isStaying({ context: { migration } }: SupervisorParts) {
  const moving = migration?.inFlight.inodes ?? new Set<number>();
  return ({ inode }: { readonly inode: number }) => !moving.has(inode);
}

export function countOf(
  parts: SupervisorParts,
  table: SocketTable,
  epoch: number,
): ConnectionCounts {
  const { context: { config, listeners }, running: all } = parts;
  const running = all.get(epoch);
  if (running === undefined) return NO_CONNECTIONS;
  const staying = table.connectionsOf(running).filter(isStaying(parts));
  return joinCensuses(
    takeCensus(staying, config.quietMs, running.tracks),
    new UnixConnections().look(table.unix, unixListenersOf(listeners, epoch), {
      atMs: 0,
      patienceMs: 0,
      processes: () => running.processes(),
    }),
  ).counts;
}
