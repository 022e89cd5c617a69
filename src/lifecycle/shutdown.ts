/**
 * The shutdown of a service, from the first TERM to the last process (docs/kubernetes.md). Pure: the
 * caller passes the time and the result of each look at the traffic.
 *
 *   serving -> lame-duck -> draining -> stopping -> killing -> over
 *                              |           ^
 *                              +-> drained-+   (only a drain was requested: wait for TERM)
 *
 * - lame-duck: readiness fails, but connections are still accepted, because kube-proxy and load balancers
 *   have not reacted yet. Lasts at least `minDrainMs`, and until no new connection arrives for `quietMs`.
 * - draining: until every connection is idle or gone.
 * - stopping: the server has received its stop signal.
 *
 * A failed look is not "no connections": it prolongs a wait, up to its limit. After `minDrainMs` +
 * `maxDrainMs` comes KILL. Each further stop request ends the current wait at once.
 */
import { lastSignalAtMs } from "./shutdown_times.ts";

export type ShutdownPhase =
  | "serving"
  | "lame-duck"
  | "draining"
  | "drained"
  | "stopping"
  | "killing"
  | "over";

/** One look at the service's ports. */
export interface TrafficLook {
  /** Connections that the previous look did not see. */
  readonly fresh: number;
  /** Waited for: a response is pending, or they wait to be accepted, or it is not known. */
  readonly busy: number;
  /** A response is pending, or they wait to be accepted; missing: all the busy ones. */
  readonly owed?: number;
  readonly undecided?: number;
  /** Silent, and no response is pending. */
  readonly atRest?: number;
  /** Silent ones that baton can close from outside; 0 where it cannot. */
  readonly idle: number;
  readonly listening: boolean;
}

export interface ShutdownPolicy {
  /** Minimum time as a lame duck; 0 = skip that phase. */
  readonly minDrainMs: number;
  /** From the end of that time until KILL. */
  readonly maxDrainMs: number;
  /** No new connection for this long: every load balancer has reacted. */
  readonly quietMs: number;
  /** From the stop signal until KILL, once no connection is busy. */
  readonly stopTimeMs: number;
  /** The server finishes its requests after the signal: draining is short. */
  readonly finishesRequests: boolean;
  /** A service that never listened has no traffic to wait for. */
  readonly expectsListener: boolean;
  /** The supervisor drains by itself: the signal follows the lame-duck phase. */
  readonly skipsDrain: boolean;
}

export type ShutdownEvent =
  /** Readiness fails and the traffic drains, but the server gets no signal: preStop. */
  | { readonly kind: "drain"; readonly atMs: number }
  /** TERM, INT, QUIT or `baton stop`. */
  | { readonly kind: "stop"; readonly atMs: number }
  /** `look` null: the look failed. */
  | { readonly kind: "look"; readonly atMs: number; readonly look: TrafficLook | null }
  /** The last process of the server has exited. */
  | { readonly kind: "exited" };

interface Losses {
  readonly cut: number | null;
  readonly undecided: number | null;
}

export type ShutdownEffect =
  | { readonly kind: "begin" }
  /**
   * `cut`: connections with a response pending at that moment, which will not be finished; `undecided`: those
   * where that is unknown. Null = could not be counted.
   * `spentMs`: the part of `maxDrainMs` that earlier waits have used.
   */
  | Losses & { readonly kind: "signal"; readonly spentMs: number }
  | Losses & { readonly kind: "kill" }
  | { readonly kind: "phase"; readonly phase: ShutdownPhase; readonly why: string };

export interface ShutdownState {
  readonly phase: ShutdownPhase;
  /** Stop requests, without `drain`. */
  readonly requests: number;
  /** When the first stop or drain was requested. */
  readonly beganAtMs: number;
  readonly phaseAtMs: number;
  /** When a new connection was last seen, or could not be ruled out. */
  readonly freshAtMs: number;
  /** When a connection was last busy, or that could not be ruled out. */
  readonly busyAtMs: number;
  readonly emptyLooks: number;
  readonly everListened: boolean;
  readonly latest: TrafficLook | null;
}

export const SERVING: ShutdownState = {
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

/** Connections of a server that finishes its requests are closed from outside for this long before its signal. */
const SETTLE_MS = 2_000;
/** This many looks in a row must find nothing: a connection may be between the queue and its process. */
const EMPTY_LOOKS = 2;
/** New connections can prolong the lame-duck phase by this part of `maxDrainMs`: the rest is for requests. */
const LAME_DUCK_PART = 1 / 2;
/** For the signal handler of a server whose signal comes late: part of the reserve in the budget. */
const LAST_WORDS_MS = 1_000;

interface ShutdownStep {
  readonly state: ShutdownState;
  readonly effects: readonly ShutdownEffect[];
}

export function stepShutdown(
  state: ShutdownState,
  event: ShutdownEvent,
  policy: ShutdownPolicy,
): ShutdownStep {
  if (state.phase === "over") return { state, effects: [] };
  switch (event.kind) {
    case "drain":
      return state.phase === "serving" ? begin(state, event.atMs, policy) : { state, effects: [] };
    case "stop":
      return onStopRequest(state, event.atMs, policy);
    case "exited":
      return enter(state, "over", state.phaseAtMs, "the last process has exited");
    case "look":
      return afterLook(noted(state, event.look, event.atMs), event.atMs, policy);
  }
}

function begin(
  state: ShutdownState,
  atMs: number,
  policy: ShutdownPolicy,
): ShutdownStep {
  const since = { beganAtMs: atMs, freshAtMs: atMs, busyAtMs: atMs };
  const next = policy.minDrainMs > 0
    ? enter({ ...state, ...since }, "lame-duck", atMs, "shutdown requested")
    : afterLameDuck({ ...state, ...since }, atMs, policy, "shutdown requested");
  return { state: next.state, effects: [{ kind: "begin" }, ...next.effects] };
}

function onStopRequest(
  state: ShutdownState,
  atMs: number,
  policy: ShutdownPolicy,
): ShutdownStep {
  const asked = { ...state, requests: state.requests + 1 };
  if (state.phase === "serving") return begin(asked, atMs, policy);
  if (state.phase === "drained") return signalStop(asked, atMs, policy, "drained before");
  // After `drain` the first TERM only changes what follows the drain.
  if (asked.requests === 1) return { state: asked, effects: [] };
  if (state.phase === "stopping") return kill(asked, atMs, "stop request after the stop signal");
  if (state.phase === "killing") return { state: asked, effects: [] };
  return asked.requests === 2
    ? signalStop(asked, atMs, policy, "second stop request")
    : kill(asked, atMs, "third stop request");
}

/** The state with the result of one look. */
function noted(
  state: ShutdownState,
  look: TrafficLook | null,
  atMs: number,
): ShutdownState {
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
  state: ShutdownState,
  atMs: number,
  policy: ShutdownPolicy,
): ShutdownStep {
  const deadlineMs = state.beganAtMs + policy.minDrainMs + policy.maxDrainMs;
  switch (state.phase) {
    case "lame-duck":
      return stayLameDuck(state, atMs, policy);
    case "draining": {
      const isEmpty = state.latest !== null && state.latest.busy + state.latest.idle === 0;
      const next = { ...state, emptyLooks: isEmpty ? state.emptyLooks + 1 : 0 };
      if (next.emptyLooks >= EMPTY_LOOKS) {
        return afterDraining(next, atMs, policy, "no connections left");
      }
      if (policy.finishesRequests && atMs - state.phaseAtMs >= SETTLE_MS) {
        return afterDraining(next, atMs, policy, "the server finishes the rest");
      }
      return atMs >= lastSignalAtMs(state.beganAtMs, policy)
        ? afterDraining(next, atMs, policy, "the time is over")
        : { state: next, effects: [] };
    }
    case "stopping": {
      const endMs = Math.max(deadlineMs, state.phaseAtMs + LAST_WORDS_MS);
      if (atMs >= endMs) return kill(state, atMs, "the time is over");
      const isUseless = atMs - Math.max(state.phaseAtMs, state.busyAtMs) >= policy.stopTimeMs;
      return isUseless
        ? kill(state, atMs, "it has no connections, but does not exit")
        : { state, effects: [] };
    }
    default:
      return { state, effects: [] };
  }
}

function stayLameDuck(
  state: ShutdownState,
  atMs: number,
  policy: ShutdownPolicy,
): ShutdownStep {
  if (policy.expectsListener && state.latest !== null && !state.everListened) {
    return afterLameDuck(state, atMs, policy, "it never listened");
  }
  const lastedMs = atMs - state.beganAtMs;
  if (lastedMs < policy.minDrainMs) return { state, effects: [] };
  if (atMs - state.freshAtMs >= policy.quietMs) {
    return afterLameDuck(state, atMs, policy, "no new connections");
  }
  return lastedMs >= policy.minDrainMs + policy.maxDrainMs * LAME_DUCK_PART
    ? afterLameDuck(state, atMs, policy, "new connections keep coming")
    : { state, effects: [] };
}

function afterLameDuck(
  state: ShutdownState,
  atMs: number,
  policy: ShutdownPolicy,
  why: string,
): ShutdownStep {
  if (policy.skipsDrain) return afterDraining(state, atMs, policy, why);
  return enter({ ...state, emptyLooks: 0 }, "draining", atMs, why);
}

function afterDraining(
  state: ShutdownState,
  atMs: number,
  policy: ShutdownPolicy,
  why: string,
): ShutdownStep {
  return state.requests > 0
    ? signalStop(state, atMs, policy, why)
    : enter(state, "drained", atMs, why);
}

function signalStop(
  state: ShutdownState,
  atMs: number,
  policy: ShutdownPolicy,
  why: string,
): ShutdownStep {
  const next = enter({ ...state, busyAtMs: atMs }, "stopping", atMs, why);
  // A server that is known to finish its requests may still do so; any other cuts them now.
  const losses = policy.finishesRequests ? { cut: 0, undecided: 0 } : lossesIn(state);
  // "drained" is not a wait: it does not use up the drain time.
  const waitedMs = (state.phase === "drained" ? state.phaseAtMs : atMs) - state.beganAtMs;
  const spentMs = Math.max(0, waitedMs - policy.minDrainMs);
  return { state: next.state, effects: [...next.effects, { kind: "signal", ...losses, spentMs }] };
}

function kill(state: ShutdownState, atMs: number, why: string): ShutdownStep {
  const next = enter(state, "killing", atMs, why);
  return { state: next.state, effects: [...next.effects, { kind: "kill", ...lossesIn(state) }] };
}

function lossesIn({ latest }: ShutdownState): Losses {
  if (latest === null) return { cut: null, undecided: null };
  return { cut: latest.owed ?? latest.busy, undecided: latest.undecided ?? 0 };
}

function enter(
  state: ShutdownState,
  phase: ShutdownPhase,
  atMs: number,
  why: string,
): ShutdownStep {
  return { state: { ...state, phase, phaseAtMs: atMs }, effects: [{ kind: "phase", phase, why }] };
}
