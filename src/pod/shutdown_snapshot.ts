/** What `baton status` shows of `--shutdown-only`: one generation, and what its end has come to. */
import type { Config } from "../config/config.ts";
import type { Pod } from "./pod.ts";
import type { Snapshot } from "../report/snapshot.ts";

interface ShutdownSnapshotSources {
  readonly config: Config;
  readonly version: string;
  /** Of baton. */
  readonly pid: number;
  readonly watches: number;
  readonly epoch: number;
  readonly pod: Pick<Pod, "shutdown" | "traffic">;
  readonly serverPid: number | null;
  readonly startedAt: string;
  /** The server has got its stop signal. */
  readonly isSignalled: boolean;
}

export function shutdownSnapshot(
  { config, version, pid, watches, epoch, pod, serverPid, startedAt, isSignalled }:
    ShutdownSnapshotSources,
): Snapshot {
  const { shutdown: shutdown, traffic } = pod;
  const isEnding = shutdown.phase !== "serving";
  // The looks of an end are told apart from each other: none may come between them.
  const look = isEnding ? shutdown.latestLook : traffic.sample(performance.now());
  const { owed: busy = 0, atRest: idle = 0, undecided = 0 } = look ?? {};
  return {
    name: config.name,
    version,
    pid,
    epoch: isEnding ? null : epoch,
    incarnation: 0,
    command: config.command,
    startedAt,
    listeners: [],
    generations: [{
      epoch,
      state: isSignalled ? "stopping" : isEnding ? "draining" : "serving",
      outcome: isEnding ? "stopped" : null,
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
    self: { watches },
  };
}
