/** How far a generation is in its state, as `baton status` and `baton top` show it. */

/**
 * The progress of a drain: `left` of the `first` connections that the generation had when it began, or that came from
 * its queue.
 */
interface DrainProgress {
  readonly first: number;
  readonly left: number;
}

/** How far a generation is in its state. */
export interface StateProgress {
  /** For how long it has been in its state; null: not known here. */
  readonly stateMs: number | null;
  /** Time until the limit of its state: the gate, the drain, the stop, the bake; null: there is none. */
  readonly leftMs: number | null;
  /** The progress of its drain; null: it does not drain, or its connections cannot be counted. */
  readonly drain: DrainProgress | null;
}

export const NO_PROGRESS: StateProgress = { stateMs: null, leftMs: null, drain: null };
