/** A worker, as `baton status` shows it. */
import type { ConnectionCounts } from "../drain/connections.ts";

/** One copy of the server in a generation. */
export interface WorkerStatus {
  /** Its number, from 0 on; one that replaces another has that one's. */
  readonly number: number;
  readonly state: "starting" | "serving" | "draining" | "stopping" | "exited";
  /** Leading process; null while it is not started again. */
  readonly pid: number | null;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly connections: ConnectionCounts;
  /** How often it was started again beside its generation. */
  readonly restarts: number;
}
