/** The service's state, and the questions about it that several files ask. Pure. */
import { type Generation, type GenerationState, newGeneration } from "./generation.ts";
import type { Order, PlanSource } from "./order.ts";
import { AT_ONCE, type Rollout, type Trial } from "./rollout.ts";

/** How a server that keeps crashing is started again. */
interface BackoffPolicy {
  /** Delay before the second start in a row; the first one is immediate. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** After more crashes in a row baton exits. */
  readonly limit: number;
}

export interface ServicePolicy {
  /** Limit of generations alive at once, candidate and serving one included; at least 2. */
  readonly maxGenerations: number;
  readonly onCrash: "restart" | "exit";
  readonly backoff: BackoffPolicy;
  /** Generations get their listeners at their start (inherit): a replacement must be chosen before that. */
  readonly membersAtStart: boolean;
  /** Order of reloads that do not name one. */
  readonly order: Order;
  /** Rollout of reloads that do not name one. */
  readonly rollout: Rollout;
  /** A generation on trial is rolled back when it is unhealthy, not only when it exits. */
  readonly rollsBackUnhealthy: boolean;
  /** How many workers each generation has, unless another number was requested. */
  readonly workers: number;
}

/** What the start of one candidate answers, and how that candidate is promoted. */
interface Reload {
  readonly requests: readonly number[];
  readonly rollout: Rollout;
  readonly order: Order;
  readonly plan: PlanSource;
  /** The version that failed, which this start is to undo: the requests are about that one. */
  readonly failed: { readonly epoch: number; readonly reason: string } | null;
}

/** A stop was requested, or another baton has taken over. */
interface Shutdown {
  /** How often a stop was requested (a handover counts as once): 1 drains, 2 sends the stop signal, 3 kills. */
  readonly requests: number;
  /** Exit status if it is decided already; null: 0 unless a generation ends badly. */
  readonly status: number | null;
  /** The generation that served when another baton took over; null: none did. */
  readonly handedOver: number | null;
}

/** A change of the number of workers that is not complete. */
interface Scaling {
  readonly requests: readonly number[];
  readonly epoch: number;
  /** The number before, to which a failure leads back. */
  readonly from: number;
}

export interface ServiceState {
  /** Alive generations, oldest first; exited ones are dropped with the effect `retire`. */
  readonly generations: readonly Generation[];
  readonly nextEpoch: number;
  /** What the present candidate is started for, or the latest one was. */
  readonly reload: Reload;
  /** What the next candidate is started for, as soon as it may; null: none is queued. */
  readonly next: Reload | null;
  /** Share and phase of the generation in state `baking`; null: there is none. */
  readonly trial: Trial | null;
  /** The serving generation is unhealthy, and a new one starts when the back-off is over. */
  readonly replacing: boolean;
  /** Requests that wait for the running upgrade of baton; null: none is running. */
  readonly upgrade: readonly number[] | null;
  /** The generation that drains and stops while new connections wait for its successor (stop_first.ts). */
  readonly held: number | null;
  /** The latest generation whose plan is good: it ran long enough, or until it was superseded. */
  readonly good: number | null;
  /**
   * What restarts without a request are started with: `last good` once the files have failed, until a reload of them
   * serves.
   */
  readonly plan: PlanSource;
  /** Generation of the predecessor baton, while that baton lives; null: no takeover, or it is complete. */
  readonly inherited: number | null;
  /** Null: the service is to run. */
  readonly shutdown: Shutdown | null;
  /** Number of workers that was requested; null: as configured. */
  readonly workers: number | null;
  readonly scaling: Scaling | null;
  /** Crashes in a row. */
  readonly crashes: number;
  /** The generation that crashed, or was stopped first, whose listeners are kept open for a replacement. */
  readonly orphanedListeners: number | null;
  /** The crashed generation whose replacement serves, but may still be starting workers. */
  readonly orphanedWorkers: number | null;
  /** The serving generation, while it lacks a listener that the one before it had; null: it has all. */
  readonly behind: number | null;
  /** Result of the last reload while the serving generation may still suffer from it; null: that is over. */
  readonly aftermathOf: "ok" | "failed" | null;
  /** Some generation has served. Before that, a failure ends the service. */
  readonly served: boolean;
  readonly finished: boolean;
}

export const INITIAL_STATE: ServiceState = {
  generations: [],
  nextEpoch: 0,
  reload: { requests: [], rollout: AT_ONCE, order: "start-first", plan: "files", failed: null },
  next: null,
  trial: null,
  replacing: false,
  upgrade: null,
  held: null,
  good: null,
  plan: "files",
  inherited: null,
  shutdown: null,
  workers: null,
  scaling: null,
  crashes: 0,
  orphanedListeners: null,
  orphanedWorkers: null,
  behind: null,
  aftermathOf: null,
  served: false,
  finished: false,
};

/** @returns the state of a new baton whose predecessor's generation `epoch` serves */
export function inheritedState(
  epoch: number,
  nextEpoch = epoch + 1,
  workers: number | null = null,
): ServiceState {
  const serving: Generation = newGeneration(epoch, { state: "serving" });
  return {
    ...INITIAL_STATE,
    generations: [serving],
    nextEpoch,
    workers,
    inherited: epoch,
    served: true,
  };
}

export function servingOf(state: ServiceState): Generation | null {
  return state.generations.find((generation) => generation.state === "serving") ?? null;
}

const BEFORE_SERVING: readonly GenerationState[] = ["waiting", "starting", "probing", "baking"];

export function candidateOf(state: ServiceState): Generation | null {
  return state.generations.find(({ state }) => BEFORE_SERVING.includes(state)) ?? null;
}

export function bakingOf(state: ServiceState): Generation | null {
  return state.generations.find(({ state }) => state === "baking") ?? null;
}

/** @returns whether the predecessor's generation still serves. Until it does not, this baton fails as a whole. */
export function awaitsTakeover(state: ServiceState): boolean {
  return state.inherited !== null && servingOf(state)?.epoch === state.inherited;
}
