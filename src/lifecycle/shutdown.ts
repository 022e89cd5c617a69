/**
 * The shutdown of a service, from the first TERM to the last process (docs/kubernetes.md). Pure: the caller passes the
 * time and the result of each look at the traffic.
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

export type ShutdownPhase =
  | "serving"
  | "lame-duck"
  | "draining"
  | "drained"
  | "stopping"
  | "killing"
  | "over";

export interface TrafficLook {
  /** Connections that the previous look did not see. */
  readonly fresh: number;
  /** Connections that are waited for: a response is pending, or they wait to be accepted, or neither is known. */
  readonly busy: number;
  /**
   * Connections with a pending response, and those that wait to be accepted; missing: all the busy ones count as such.
   */
  readonly owed?: number;
  readonly undecided?: number;
  /** Connections that are silent, with no response pending. */
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

export type ShutdownEvent = Readonly<
  /** Readiness fails and the traffic drains, but the server gets no signal: preStop. */
  | { kind: "drain"; atMs: number }
  /** TERM, INT, QUIT or `baton stop`. */
  | { kind: "stop"; atMs: number }
  /** `look` null: the look failed. */
  | { kind: "look"; atMs: number; look: TrafficLook | null }
  /** The last process of the server has exited. */
  | { kind: "exited"; atMs: number }
>;

/** What the stop signal cuts; null: it could not be counted. */
interface Losses {
  /** Connections with a response pending at that moment, which will not be finished. */
  readonly cut: number | null;
  /** Connections of which that is unknown. */
  readonly undecided: number | null;
}

export type ShutdownEffect = Readonly<
  | { kind: "begin" }
  /** `spentMs`: the part of `maxDrainMs` that earlier waits have used. */
  | { kind: "signal"; spentMs: number } & Losses
  | { kind: "kill" } & Losses
  | { kind: "phase"; phase: ShutdownPhase; why: string }
>;

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
/** The part of `maxDrainMs` that is kept for the server's handler of the stop signal. */
const STOP_PART = 1 / 4;
/** For the signal handler of a server whose signal comes late: part of the reserve in the budget. */
const LAST_WORDS_MS = 1_000;

export function stepShutdown(
  state: ShutdownState,
  event: ShutdownEvent,
  policy: ShutdownPolicy,
): Pick<ShutdownStep, "state" | "effects"> {
  const step = new ShutdownStep(state, event.atMs, policy);
  if (state.phase !== "over") step.take(event);
  return step;
}

export function lastSignalAtMs(beganAtMs: number, policy: ShutdownPolicy): number {
  const { minDrainMs, maxDrainMs, stopTimeMs } = policy;
  return beganAtMs + minDrainMs + maxDrainMs - Math.min(stopTimeMs, maxDrainMs * STOP_PART);
}

/** One step in the making: the state so far and the effects so far. */
class ShutdownStep {
  readonly effects: ShutdownEffect[] = [];

  constructor(
    public state: ShutdownState,
    readonly atMs: number,
    readonly policy: ShutdownPolicy,
  ) {}

  take(event: ShutdownEvent): void {
    switch (event.kind) {
      case "drain":
        return this.state.phase === "serving" ? this.#begin() : undefined;
      case "stop":
        return this.#onStopRequest();
      case "exited":
        return this.#enter("over", "the last process has exited");
      case "look":
        this.#note(event.look);
        return this.#afterLook();
    }
  }

  #set(change: Partial<ShutdownState>): void {
    this.state = { ...this.state, ...change };
  }

  #enter(phase: ShutdownPhase, why: string): void {
    this.#set({ phase, phaseAtMs: this.atMs });
    this.effects.push({ kind: "phase", phase, why });
  }

  #begin(): void {
    const { atMs } = this;
    this.#set({ beganAtMs: atMs, freshAtMs: atMs, busyAtMs: atMs });
    this.effects.push({ kind: "begin" });
    const why = "shutdown requested";
    if (this.policy.minDrainMs > 0) this.#enter("lame-duck", why);
    else this.#afterLameDuck(why);
  }

  #onStopRequest(): void {
    const { phase } = this.state;
    const requests = this.state.requests + 1;
    this.#set({ requests });
    if (phase === "serving") return this.#begin();
    if (phase === "drained") return this.#signalStop("drained before");
    // After `drain` the first TERM only changes what follows the drain.
    if (requests === 1 || phase === "killing") return;
    if (phase === "stopping") return this.#kill("stop request after the stop signal");
    if (requests === 2) this.#signalStop("second stop request");
    else this.#kill("third stop request");
  }

  #note(latest: TrafficLook | null): void {
    const { atMs } = this;
    this.#set({ latest });
    if (latest === null || latest.fresh > 0) this.#set({ freshAtMs: atMs });
    if (latest === null || latest.busy > 0) this.#set({ busyAtMs: atMs });
    if (latest?.listening) this.#set({ everListened: true });
  }

  #afterLook(): void {
    const { phase } = this.state;
    if (phase === "lame-duck") this.#stayLameDuck();
    else if (phase === "draining") this.#stayDraining();
    else if (phase === "stopping") this.#stayStopping();
  }

  #stayLameDuck(): void {
    const { state: { latest, everListened, beganAtMs, freshAtMs }, policy, atMs } = this;
    if (policy.expectsListener && latest !== null && !everListened) {
      return this.#afterLameDuck("it never listened");
    }
    const lastedMs = atMs - beganAtMs;
    if (lastedMs < policy.minDrainMs) return;
    if (atMs - freshAtMs >= policy.quietMs) return this.#afterLameDuck("no new connections");
    if (lastedMs >= policy.minDrainMs + policy.maxDrainMs * LAME_DUCK_PART) {
      this.#afterLameDuck("new connections keep coming");
    }
  }

  #afterLameDuck(why: string): void {
    if (this.policy.skipsDrain) return this.#afterDraining(why);
    this.#set({ emptyLooks: 0 });
    this.#enter("draining", why);
  }

  #stayDraining(): void {
    const { state: { latest, beganAtMs, phaseAtMs }, policy, atMs } = this;
    const isEmpty = latest !== null && latest.busy + latest.idle === 0;
    const emptyLooks = isEmpty ? this.state.emptyLooks + 1 : 0;
    this.#set({ emptyLooks });
    if (emptyLooks >= EMPTY_LOOKS) return this.#afterDraining("no connections left");
    if (policy.finishesRequests && atMs - phaseAtMs >= SETTLE_MS) {
      return this.#afterDraining("the server finishes the rest");
    }
    if (atMs >= lastSignalAtMs(beganAtMs, policy)) this.#afterDraining("the time is over");
  }

  #afterDraining(why: string): void {
    if (this.state.requests > 0) this.#signalStop(why);
    else this.#enter("drained", why);
  }

  #signalStop(why: string): void {
    const { state: { phase, phaseAtMs, beganAtMs }, policy, atMs } = this;
    // "drained" is not a wait: it does not use up the drain time.
    const waitedMs = (phase === "drained" ? phaseAtMs : atMs) - beganAtMs;
    const spentMs = Math.max(0, waitedMs - policy.minDrainMs);
    this.#set({ busyAtMs: atMs });
    this.#enter("stopping", why);
    // A server that is known to finish its requests may still do so; any other cuts them now.
    const losses = policy.finishesRequests ? { cut: 0, undecided: 0 } : this.#losses();
    this.effects.push({ kind: "signal", ...losses, spentMs });
  }

  #stayStopping(): void {
    const { state: { beganAtMs, phaseAtMs, busyAtMs }, policy, atMs } = this;
    const deadlineMs = beganAtMs + policy.minDrainMs + policy.maxDrainMs;
    if (atMs >= Math.max(deadlineMs, phaseAtMs + LAST_WORDS_MS)) {
      return this.#kill("the time is over");
    }
    if (atMs - Math.max(phaseAtMs, busyAtMs) >= policy.stopTimeMs) {
      this.#kill("it has no connections, but does not exit");
    }
  }

  #kill(why: string): void {
    this.#enter("killing", why);
    this.effects.push({ kind: "kill", ...this.#losses() });
  }

  #losses(): Losses {
    const { latest } = this.state;
    if (latest === null) return { cut: null, undecided: null };
    return { cut: latest.owed ?? latest.busy, undecided: latest.undecided ?? 0 };
  }
}
