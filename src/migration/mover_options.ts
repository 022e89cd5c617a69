/** What a mover needs to know of the two generations, and reports. */
import type { Group } from "../steering/group.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { InFlightMoves, KeepAliveCounts, MoveCounts } from "./in_flight.ts";

export interface MoverOptions {
  /** Connections of the old generation; the mover closes the table. */
  readonly table: ConnectionTable;
  readonly inFlight: InFlightMoves;
  /** Whether another generation accepts there. */
  hasSuccessor(group: Group): boolean;
  readonly quietMs: number;
  /** After this time the server gets its stop signal, whatever is in progress. */
  readonly drainTimeMs: number;
  /** After this time the server itself finishes what is in progress; Infinity: it does not. */
  readonly settleMs: number;
  /** The server is known to be in the middle of something there, for example an event stream. */
  isBusy?(inode: number): boolean;
  /** All connections that can be moved are in flight: the server may get its stop signal. */
  readonly onCommitted: (counts: KeepAliveCounts) => void;
  readonly onOutcome: (outcome: keyof MoveCounts) => void;
}
