/** What the service's state consists of, and two questions about it. Pure. */
import type { BackoffPolicy } from "./backoff.ts";
import { type Generation, type GenerationState, newGeneration } from "./generation.ts";
import { AT_ONCE, type Rollout, type Trial } from "./rollout.ts";

export interface ServicePolicy {
  /** Alive at any moment, candidate and serving included; at least 2. */
  readonly maxGenerations: number;
  readonly onCrash: "restart" | "exit";
  readonly backoff: BackoffPolicy;
  /** Generations are given their members at their start (inherit): an heir must be one from birth. */
  readonly membersAtStart: boolean;
  /** Of reloads that do not say how. */
  readonly rollout: Rollout;
  /** Bad health of one on trial sends it away, not only its end. */
  readonly rollsBackUnhealthy: boolean;
}

export interface ServiceState {
  /** Alive generations, oldest first; exited ones are dropped with the effect `retire`. */
  readonly generations: readonly Generation[];
  readonly nextEpoch: number;
  /** Reloads that the present candidate will answer. */
  readonly waiting: readonly number[];
  /** Reloads that the next candidate will answer; null = none queued. */
  readonly queued: readonly number[] | null;
  /** How the present candidate, and the next one, are let in. */
  readonly rollout: Rollout;
  readonly nextRollout: Rollout;
  /** What the generation that is baking gets; null: none is. */
  readonly trial: Trial | null;
  /** A back-off runs after which a new generation replaces the serving one, which is not healthy. */
  readonly replacing: boolean;
  /** Who waits for an upgrade of baton that is under way; null = none is. */
  readonly upgrade: readonly number[] | null;
  /** The generation that served when another baton took over; null = none has. */
  readonly handedOver: number | null;
  /** The generation that another baton serves, or drains, from which this one takes over; null = none is. */
  readonly inherited: number | null;
  /** This baton is itself the new one of an upgrade and has not taken over: it fails as a whole. */
  readonly awaitsTakeover: boolean;
  /** How often a stop was asked for: 1 drains, 2 signals at once, 3 kills. */
  readonly stopRequests: number;
  /** Exit status once everything is gone, if it is decided already. */
  readonly finalStatus: number | null;
  /** Crashes in a row. */
  readonly crashes: number;
  /** The crashed generation whose members wait for an heir. */
  readonly orphanedListeners: number | null;
  /** A crashed generation whose heir serves already, but may still be starting workers. */
  readonly orphanedWorkers: number | null;
  /** The serving generation, while it does not listen at some address where the one before did; null: it does. */
  readonly behind: number | null;
  /** How the last reload ended: what the serving generation does now may be a consequence. Null: that is long ago. */
  readonly aftermathOf: "ok" | "failed" | null;
  /** Has any generation ever served? Before that, a failure is the end. */
  readonly served: boolean;
  readonly finished: boolean;
}

export const INITIAL_STATE: ServiceState = {
  generations: [],
  nextEpoch: 0,
  waiting: [],
  queued: null,
  rollout: AT_ONCE,
  nextRollout: AT_ONCE,
  trial: null,
  replacing: false,
  upgrade: null,
  handedOver: null,
  inherited: null,
  awaitsTakeover: false,
  stopRequests: 0,
  finalStatus: null,
  crashes: 0,
  orphanedListeners: null,
  orphanedWorkers: null,
  behind: null,
  aftermathOf: null,
  served: false,
  finished: false,
};

/** @returns the generation that gets new connections */
export function servingOf(state: ServiceState): Generation | null {
  return state.generations.find((generation) => generation.state === "serving") ?? null;
}

const BEFORE_SERVING: readonly GenerationState[] = ["starting", "probing", "baking"];

/** @returns the generation that is on its way to serving */
export function candidateOf(state: ServiceState): Generation | null {
  return state.generations.find(({ state }) => BEFORE_SERVING.includes(state)) ?? null;
}

/** @returns the generation that is on trial */
export function bakingOf(state: ServiceState): Generation | null {
  return state.generations.find(({ state }) => state === "baking") ?? null;
}

/** The state of a new baton that takes over from another one, whose generation `epoch` serves. */
export function inheritedState(epoch: number, nextEpoch = epoch + 1): ServiceState {
  const serving: Generation = { ...newGeneration(epoch), state: "serving" };
  return {
    ...INITIAL_STATE,
    generations: [serving],
    nextEpoch,
    inherited: epoch,
    served: true,
    awaitsTakeover: true,
  };
}
