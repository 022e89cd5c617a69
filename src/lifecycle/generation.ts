/**
 * One generation: its states, and the transitions between them. Pure.
 *
 *     waiting
 *    |    |
 *    |    v              listening
 *    |  starting ----------------------> probing
 *    |   |    |                            |  |
 *    |   |    +-----------+----------------+  |
 *    |   |                | ready             |
 *    |   |          +-----+------+            |
 *    |   |          v            v            |
 *    |   |       baking ----> serving         |
 *    |   |          |          |   ^          |
 *    |   |          |          v   |          |
 *    |   |          +------> draining         |
 *    |   |                      |             |
 *    |   |                      v             |
 *    +---+-----------------> stopping <-------+
 *
 * Any state leads to `exited`. What causes the others, with what happens to another generation in parentheses:
 *
 *   waiting -> starting              admitted, (exited)
 *   waiting -> stopping              failed, stop_requested, (exited)
 *   starting -> probing              listening
 *   starting, probing -> baking      ready
 *   starting, probing -> serving     ready, takeover_granted
 *   starting, probing -> stopping    failed, worker_exited, stop_requested, (exited)
 *   baking -> serving                ramped, scaled, bake_elapsed, promote_requested, share_requested, (exited),
 *                                    (unhealthy)
 *   baking -> draining               unhealthy, worker_exited, rollback_requested, stop_requested
 *   serving -> draining              unhealthy, stop_requested, handed_over, promote_requested, share_requested,
 *                                    (admitted), (ready), (takeover_granted), (ramped), (scaled), (bake_elapsed)
 *   draining -> serving              handed_back, (unhealthy), (failed), (exited)
 *   draining -> stopping             drained, drain_timed_out, stop_requested, or killed to make room for a start
 *
 * No transition: healthy, behind, caught_up, late_timed_out, aftermath_timed_out, drain_called, stop_timed_out; of the
 * serving one also scaled, worker_exited.
 *
 * State says where a generation is in its life, outcome says why it left it; the first cause wins. An event that a
 * state does not accept is stale (a timer that fired while it was being disarmed, the exit of a generation that was
 * replaced already) and changes nothing.
 */
import type { PlanSource } from "./order.ts";

export const GENERATION_STATES = [
  /** Its server is not started yet: that is when no other generation is left (stop_first.ts). */
  "waiting",
  /** The process runs, or is being launched, and does not listen yet. */
  "starting",
  /** It listens, gets no connections, and has not passed its gate. */
  "probing",
  /** On trial: it gets some or all of the new connections, and the generation before stays as it was. */
  "baking",
  /** It gets the new connections. */
  "serving",
  /** It gets no new connections and finishes those that it has; no signal was sent. */
  "draining",
  /** It got its stop signal, or KILL. */
  "stopping",
  /** Its processes are gone. */
  "exited",
] as const;
export type GenerationState = typeof GENERATION_STATES[number];

/** Why a generation is no longer wanted. */
export type Outcome = "failed" | "rolled back" | "superseded" | "crashed" | "stopped" | "finished";

export interface Generation {
  /** Its number, from 0 on. */
  readonly epoch: number;
  /** How many workers it is to have. */
  readonly workers: number;
  readonly state: GenerationState;
  readonly outcome: Outcome | null;
  /** Why it has that outcome, in one line for people: with `failed`, `rolled back` and `crashed`. */
  readonly reason: string | null;
  /** Whether it is started from the files as they are now, or as the last good generation was. */
  readonly plan: PlanSource;
  /** While it is `waiting`: nothing has vetoed its start. */
  readonly admitted: boolean;
  /** Whether it was found unhealthy while it served. */
  readonly unwell: boolean;
  /** Crashed generation, or one that was stopped first, whose listeners it was given. */
  readonly replaces: number | null;
  /** Whether it has passed its gate. */
  readonly served: boolean;
  /** Whether it was killed: its stop time ran out, room was needed, or a stop was requested three times. */
  readonly cut: boolean;
  /** Whether it drains, and still serves where the serving generation does not listen yet. */
  readonly standsIn: boolean;
}

/** A generation whose start has just been requested. */
export function newGeneration(epoch: number, begin: Partial<Generation> = {}): Generation {
  return { ...UNTOUCHED, epoch, ...begin };
}

const UNTOUCHED: Omit<Generation, "epoch"> = {
  state: "starting",
  workers: 1,
  outcome: null,
  reason: null,
  plan: "files",
  admitted: false,
  unwell: false,
  replaces: null,
  served: false,
  cut: false,
  standsIn: false,
};

/** @returns `generation` with an outcome, unless it has one: the first cause wins */
export function withOutcome(
  generation: Generation,
  outcome: Outcome,
  reason: string | null = null,
): Generation {
  return generation.outcome === null ? { ...generation, outcome, reason } : generation;
}
