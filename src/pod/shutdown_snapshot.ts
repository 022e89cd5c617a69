/** The `baton status` of `--shutdown-only`: one generation, and the progress of its shutdown. */
import type { Config } from "../config/config.ts";
import type { Pod } from "./pod.ts";
import type { Snapshot } from "../report/snapshot.ts";

interface ShutdownSnapshotSources {
  readonly config: Config;
  readonly version: string;
  /** Of baton. */
  readonly pid: number;
  readonly watches: number;
  readonly nowMs: number;
  readonly epoch: number;
  readonly pod: Pick<Pod, "shutdown" | "traffic">;
  readonly serverPid: number | null;
  readonly startedAt: string;
  /** The server has received its stop signal. */
  readonly isSignalled: boolean;
}

export function shutdownSnapshot(sources: ShutdownSnapshotSources): Snapshot {
  const { config, version, pid, epoch, pod, serverPid, startedAt, isSignalled } = sources;
  const { shutdown, traffic } = pod;
  const isShuttingDown = shutdown.phase !== "serving";
  // A look compares with the one before: none may come between those of a shutdown.
  const look = isShuttingDown ? shutdown.latestLook : traffic.sample(sources.nowMs);
  const { owed: busy = 0, atRest: idle = 0, undecided = 0 } = look ?? {};
  return {
    name: config.name,
    version,
    pid,
    epoch: isShuttingDown ? null : epoch,
    incarnation: 0,
    command: config.command,
    startedAt,
    listeners: [],
    generations: [{
      epoch,
      state: isSignalled ? "stopping" : isShuttingDown ? "draining" : "serving",
      outcome: isShuttingDown ? "stopped" : null,
      reason: null,
      pid: serverPid,
      startedAt,
      checks: [],
      connections: { total: busy + idle + undecided, busy, idle, undecided },
      connectionsCut: shutdown.cut,
      connectionsUndecided: shutdown.undecided,
      takesConnections: false,
    }],
    restarts: { ok: 0, failed: 0, crashes: 0 },
    lastReload: null,
    trial: null,
    self: { watches: sources.watches },
  };
}
