/**
 * The end of a service that nobody takes over from (docs/kubernetes.md): from the first TERM to the
 * last process. Pure: the caller says what time it is and what a look at the traffic has found.
 *
 * serving -> lingering -> emptying -> stopping -> killing -> over
 *
 * - lingering: readiness has failed, connections are accepted as before, because whoever sends them
 *   (kube-proxy, load balancers) has not heard yet. Lasts at least `minDrainMs`, and until no new
 *   connection has come for `quietMs`.
 * - emptying: until every connection is idle or gone. `drained` is its end when only a drain was asked
 *   for: then the stop signal waits for TERM.
 * - stopping: the server has its stop signal.
 *
 * A look that failed is no news, never "nothing there": it prolongs a wait, up to its limit. The whole
 * takes at most `minDrainMs` + `maxDrainMs`, then KILL; each further request ends a wait at once.
 */

import { lastSignalAtMs } from "./termination_times.ts";

export type TerminationPhase =
  | "serving"
  | "lingering"
  | "emptying"
  | "drained"
  | "stopping"
  | "killing"
  | "over";

/** One look at the service's ports. */
export interface TrafficLook {
  /** Connections that were not there at the look before. */
  readonly fresh: number;
  /** They are waited for: an answer is owed, or they wait to be accepted, or that is not known. */
  readonly busy: number;
  /** An answer is owed, or they wait to be accepted; missing: all that are busy. */
  readonly owed?: number;
  /** That is not known; of the silent ones, nothing is owed. */
  readonly undecided?: number;
  readonly atRest?: number;
  /** Silent ones that are to be ended from outside; 0 where that cannot be done. */
  readonly idle: number;
  /** Some process listens at one of the ports. */
  readonly listening: boolean;
}

export interface TerminationPolicy {
  /** Least time of lingering; 0 = none: nobody has to be waited for. */
  readonly minDrainMs: number;
  /** From the end of that time to KILL. */
  readonly maxDrainMs: number;
  /** No new connection for this long: they have all heard. */
  readonly quietMs: number;
  /** From the stop signal to KILL, once no connection is busy. */
  readonly stopTimeMs: number;
  /** The server finishes its requests after the signal: emptying is short. */
  readonly finishesRequests: boolean;
  /** A service that never listened has no traffic to wait for. */
  readonly expectsListener: boolean;
  /** Emptying is another's business (the supervisor's own drain): after lingering comes the signal. */
  readonly skipsEmptying: boolean;
}

export type TerminationEvent =
  /** Readiness fails and traffic is waited out, but the server gets no signal: preStop. */
  | { readonly kind: "drain"; readonly atMs: number }
  /** TERM, INT, QUIT or `baton stop`. */
  | { readonly kind: "terminate"; readonly atMs: number }
  /** `look` null: nothing could be found out. */
  | { readonly kind: "look"; readonly atMs: number; readonly look: TrafficLook | null }
  /** No process of the server is left. */
  | { readonly kind: "gone" };

interface Losses {
  readonly cut: number | null;
  readonly undecided: number | null;
}

export type TerminationEffect =
  | { readonly kind: "begin" }
  /**
   * `cut`: connections on which something was owed at that moment, and which will not be finished; `undecided`: those
   * on which that is not known. Null = not known.
   * `spentMs`: of `maxDrainMs`, what the waits before have taken.
   */
  | Losses & { readonly kind: "signal"; readonly spentMs: number }
  | Losses & { readonly kind: "kill" }
  | { readonly kind: "phase"; readonly phase: TerminationPhase; readonly why: string };

export interface TerminationState {
  readonly phase: TerminationPhase;
  /** TERM and its like, not `drain`. */
  readonly requests: number;
  /** Of the first request, or drain. */
  readonly beganAtMs: number;
  readonly phaseAtMs: number;
  /** When a new connection was last seen, or could not be excluded. */
  readonly freshAtMs: number;
  /** When a connection was last busy, or that could not be excluded. */
  readonly busyAtMs: number;
  readonly emptyLooks: number;
  readonly everListened: boolean;
  readonly latest: TrafficLook | null;
}

export const SERVING: TerminationState = {
  phase: "serving",
  requests: 0,
  beganAtMs: 0,
  phaseAtMs: 0,
  freshAtMs: 0,
  busyAtMs: 0,
  emptyLooks: 0,
  everListened: false,
  latest: null,
};

/** A server that finishes requests by itself is given this long to be emptied from outside first. */
const SETTLE_MS = 2_000;
/** Emptiness must be seen this often: a connection may be between the queue and its process. */
const EMPTY_LOOKS = 2;
/** Lingering without end takes no more than this part of `maxDrainMs`: the rest is for requests. */
const LINGER_PART = 1 / 2;
/** Left for the last words of a server whose signal comes late: part of the reserve in the budget. */
export const LAST_WORDS_MS = 1_000;

export interface TerminationStep {
  readonly state: TerminationState;
  readonly effects: readonly TerminationEffect[];
}

export function stepTermination(
  state: TerminationState,
  event: TerminationEvent,
  policy: TerminationPolicy,
): TerminationStep {
  if (state.phase === "over") return { state, effects: [] };
  switch (event.kind) {
    case "drain":
      return state.phase === "serving" ? begin(state, event.atMs, policy) : { state, effects: [] };
    case "terminate":
      return terminate(state, event.atMs, policy);
    case "gone":
      return enter(state, "over", state.phaseAtMs, "no process is left");
    case "look":
      return afterLook(noted(state, event.look, event.atMs), event.atMs, policy);
  }
}

function begin(
  state: TerminationState,
  atMs: number,
  policy: TerminationPolicy,
): TerminationStep {
  const since = { beganAtMs: atMs, freshAtMs: atMs, busyAtMs: atMs };
  const lingers = policy.minDrainMs > 0;
  const next = lingers
    ? enter({ ...state, ...since }, "lingering", atMs, "asked to end")
    : afterLingering({ ...state, ...since }, atMs, policy, "asked to end");
  return { state: next.state, effects: [{ kind: "begin" }, ...next.effects] };
}

function terminate(
  state: TerminationState,
  atMs: number,
  policy: TerminationPolicy,
): TerminationStep {
  const asked = { ...state, requests: state.requests + 1 };
  if (state.phase === "serving") return begin(asked, atMs, policy);
  if (state.phase === "drained") return stop(asked, atMs, policy, "drained before");
  // After `drain` the first TERM changes nothing but what comes at the end.
  if (asked.requests === 1) return { state: asked, effects: [] };
  if (state.phase === "stopping") return kill(asked, atMs, "asked again after its signal");
  if (state.phase === "killing") return { state: asked, effects: [] };
  return asked.requests === 2
    ? stop(asked, atMs, policy, "asked a second time")
    : kill(asked, atMs, "asked a third time");
}

/** What a look has found, remembered with its time. */
function noted(
  state: TerminationState,
  look: TrafficLook | null,
  atMs: number,
): TerminationState {
  if (look === null) {
    return { ...state, freshAtMs: atMs, busyAtMs: atMs, emptyLooks: 0, latest: null };
  }
  return {
    ...state,
    latest: look,
    everListened: state.everListened || look.listening,
    freshAtMs: look.fresh > 0 ? atMs : state.freshAtMs,
    busyAtMs: look.busy > 0 ? atMs : state.busyAtMs,
  };
}

function afterLook(
  state: TerminationState,
  atMs: number,
  policy: TerminationPolicy,
): TerminationStep {
  const deadlineMs = state.beganAtMs + policy.minDrainMs + policy.maxDrainMs;
  switch (state.phase) {
    case "lingering":
      return lingerOn(state, atMs, policy);
    case "emptying": {
      const isEmpty = state.latest !== null && state.latest.busy + state.latest.idle === 0;
      const next = { ...state, emptyLooks: isEmpty ? state.emptyLooks + 1 : 0 };
      if (next.emptyLooks >= EMPTY_LOOKS) return afterEmptying(next, atMs, policy, "empty");
      if (policy.finishesRequests && atMs - state.phaseAtMs >= SETTLE_MS) {
        return afterEmptying(next, atMs, policy, "the server finishes the rest");
      }
      return atMs >= lastSignalAtMs(state.beganAtMs, policy)
        ? afterEmptying(next, atMs, policy, "the time is over")
        : { state: next, effects: [] };
    }
    case "stopping": {
      const endMs = Math.max(deadlineMs, state.phaseAtMs + LAST_WORDS_MS);
      if (atMs >= endMs) return kill(state, atMs, "the time is over");
      const isUseless = atMs - Math.max(state.phaseAtMs, state.busyAtMs) >= policy.stopTimeMs;
      return isUseless
        ? kill(state, atMs, "it has no connection, and does not end")
        : { state, effects: [] };
    }
    default:
      return { state, effects: [] };
  }
}

function lingerOn(
  state: TerminationState,
  atMs: number,
  policy: TerminationPolicy,
): TerminationStep {
  if (policy.expectsListener && state.latest !== null && !state.everListened) {
    return afterLingering(state, atMs, policy, "it never listened");
  }
  const lastedMs = atMs - state.beganAtMs;
  if (lastedMs < policy.minDrainMs) return { state, effects: [] };
  if (atMs - state.freshAtMs >= policy.quietMs) {
    return afterLingering(state, atMs, policy, "no new connections");
  }
  return lastedMs >= policy.minDrainMs + policy.maxDrainMs * LINGER_PART
    ? afterLingering(state, atMs, policy, "new connections go on coming")
    : { state, effects: [] };
}

function afterLingering(
  state: TerminationState,
  atMs: number,
  policy: TerminationPolicy,
  why: string,
): TerminationStep {
  if (policy.skipsEmptying) return afterEmptying(state, atMs, policy, why);
  return enter({ ...state, emptyLooks: 0 }, "emptying", atMs, why);
}

function afterEmptying(
  state: TerminationState,
  atMs: number,
  policy: TerminationPolicy,
  why: string,
): TerminationStep {
  return state.requests > 0 ? stop(state, atMs, policy, why) : enter(state, "drained", atMs, why);
}

function stop(
  state: TerminationState,
  atMs: number,
  policy: TerminationPolicy,
  why: string,
): TerminationStep {
  const next = enter({ ...state, busyAtMs: atMs }, "stopping", atMs, why);
  // A server that is known to finish its requests may still do so; another one cuts them now.
  const losses = policy.finishesRequests ? { cut: 0, undecided: 0 } : lossesIn(state);
  // Nothing is waited for in "drained".
  const waitedMs = (state.phase === "drained" ? state.phaseAtMs : atMs) - state.beganAtMs;
  const spentMs = Math.max(0, waitedMs - policy.minDrainMs);
  return { state: next.state, effects: [...next.effects, { kind: "signal", ...losses, spentMs }] };
}

function kill(state: TerminationState, atMs: number, why: string): TerminationStep {
  const next = enter(state, "killing", atMs, why);
  return { state: next.state, effects: [...next.effects, { kind: "kill", ...lossesIn(state) }] };
}

function lossesIn({ latest }: TerminationState): Losses {
  if (latest === null) return { cut: null, undecided: null };
  return { cut: latest.owed ?? latest.busy, undecided: latest.undecided ?? 0 };
}

function enter(
  state: TerminationState,
  phase: TerminationPhase,
  atMs: number,
  why: string,
): TerminationStep {
  return { state: { ...state, phase, phaseAtMs: atMs }, effects: [{ kind: "phase", phase, why }] };
}
