/**
 * One generation's states, and which events each state accepts. Pure.
 *
 * State says where a generation is in its life, outcome says why it left it; they are two fields, and
 * the first cause wins. Every (state, event) pair is in `ACCEPTS`; an event that is not accepted is
 * stale news (a timer that fired while it was being disarmed, the exit of something already
 * replaced) and changes nothing.
 */

/** In the order of a life; `baking` and `serving` may be skipped. */
export type GenerationState =
  /** The process runs (or is being launched) and has not yet listened. */
  | "starting"
  /** It listens, gets no connection yet, and has not passed its gate. */
  | "probing"
  /** It has passed its gate and gets some or all of the new connections, while the one before it stays as it was. */
  | "baking"
  /** It gets the new connections. */
  | "serving"
  /** It gets no new connections and finishes what it has; no signal was sent. */
  | "draining"
  /** It was told to stop. */
  | "stopping"
  /** Its processes are gone. */
  | "exited";

/** Why a generation is no longer wanted. */
export type Outcome = "failed" | "rolled back" | "superseded" | "crashed" | "stopped" | "finished";

export interface Generation {
  /** Counts from 0. */
  readonly epoch: number;
  readonly state: GenerationState;
  readonly outcome: Outcome | null;
  /** One line for people, with `failed`, `rolled back` and `crashed`. */
  readonly reason: string | null;
  /** Crashed generation whose members it was given. */
  readonly replaces: number | null;
  /** It has passed its gate. */
  readonly served: boolean;
  /** It is killed: its stop time ran out, room was needed, or a stop was asked for a third time. */
  readonly cut: boolean;
  /** It drains, and is needed where the serving generation does not listen yet. */
  readonly standsIn: boolean;
}

/** What can happen to one generation. */
export type GenerationEventKind =
  | "listening"
  | "ready"
  | "failed"
  | "ramped"
  | "bake_elapsed"
  | "unhealthy"
  | "drained"
  | "drain_timed_out"
  | "stop_timed_out"
  | "healthy"
  | "behind"
  | "caught_up"
  | "late_timed_out"
  | "aftermath_timed_out"
  | "exited";

/** The events each state accepts. */
export const ACCEPTS = {
  starting: ["listening", "ready", "failed", "exited"],
  probing: ["ready", "failed", "exited"],
  baking: ["ramped", "bake_elapsed", "unhealthy", "exited"],
  serving: [
    ...["unhealthy", "healthy", "exited"] as const,
    ...["behind", "caught_up", "late_timed_out", "aftermath_timed_out"] as const,
  ],
  draining: ["drained", "drain_timed_out", "exited"],
  stopping: ["stop_timed_out", "exited"],
  exited: [],
} as const satisfies Record<GenerationState, readonly GenerationEventKind[]>;

/** @returns whether `event` means anything to a generation in `state` */
export function accepts(state: GenerationState, event: GenerationEventKind): boolean {
  return (ACCEPTS[state] as readonly GenerationEventKind[]).includes(event);
}

/** A generation that has just been asked for. */
export function newGeneration(epoch: number, heirOf: number | null = null): Generation {
  const untouched = { outcome: null, reason: null, served: false, cut: false, standsIn: false };
  return { epoch, state: "starting", replaces: heirOf, ...untouched };
}

/** @returns `generation` with an outcome, unless it has one: the first cause wins */
export function withOutcome(
  generation: Generation,
  outcome: Outcome,
  reason: string | null = null,
): Generation {
  return generation.outcome === null ? { ...generation, outcome, reason } : generation;
}
