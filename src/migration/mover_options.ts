/** What a `Mover` is about, and whom it tells. */
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { InFlightMoves, MovedConnection } from "./in_flight.ts";
import type { KeepAliveCounts } from "./keep_alive_counts.ts";

export interface MoverOptions {
  readonly listeners: Listeners;
  readonly crossings: InFlightMoves;
  /** Of the generation that is replaced; and whether another one accepts at an address. */
  processes(): readonly number[];
  isSucceeded(group: Group): boolean;
  readonly quietMs: number;
  /** After this time the server is told to stop, whatever is under way. */
  readonly drainTimeMs: number;
  /** After this time the server finishes by itself what is under way; Infinity: it does not. */
  readonly settleMs: number;
  /** The server is in the middle of something there, whatever a single look says: an event stream. */
  isOwed?(inode: number): boolean;
  /** Everything that can be moved is on its way: the server may be told to stop. */
  readonly onReady: (kept: KeepAliveCounts) => void;
  /** What became of one that was moved. */
  readonly onEnd: (how: keyof MovedConnection) => void;
}
