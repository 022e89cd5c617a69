/**
 * Carries out the shutdown of a service: lifecycle/shutdown.ts decides; this looks at the traffic as often as the phase
 * needs it, and only during a shutdown.
 */
import {
  lastSignalAtMs,
  SERVING,
  type ShutdownEvent,
  type ShutdownPhase,
  type ShutdownPolicy,
  type ShutdownState,
  stepShutdown,
  type TrafficLook,
} from "../lifecycle/shutdown.ts";
import type { Clock, Timer } from "../platform/clock.ts";

/** Interval of looks at the table of connections, by phase. */
const LOOK_MS: Readonly<Partial<Record<ShutdownPhase, number>>> = {
  "lame-duck": 100,
  draining: 20,
  stopping: 20,
};
/** How long a look that begins at the deadline may take: tables may have hundreds of thousands of rows. */
const LATE_LOOK_MS = 1_000;
/** Interval of visits to the connections themselves: a pause in the use of one is short. */
const VISIT_MS = 4;

export interface ShutdownOptions {
  readonly clock: Clock;
  readonly policy: ShutdownPolicy;
  readonly traffic: {
    /** A look at the connections. @param untilMs when a look that takes long must end */
    sample(atMs: number, untilMs: number): TrafficLook | null;
    /** Closes connections of the latest look, where that loses nothing. */
    closeIdle(atMs: number): void;
    /** Closes long-lived connections, one by one until the stop signal. @returns how many it has closed now */
    closeLongLived(atMs: number, drain: { beganAtMs: number; endsAtMs: number }): number;
  };
  onBegin?(): void;
  onPhase?(phase: ShutdownPhase, why: string): void;
  /** Sends the stop signal. @param spentMs the part of `maxDrainMs` that is used up */
  signal?(spentMs: number): void;
  kill?(): void;
}

export class Shutdown {
  #state: ShutdownState = SERVING;
  #timer: Timer | null = null;
  /** When the next look is due. */
  #lookAtMs = 0;
  #cut = 0;
  #closed = 0;
  /** How many connections were ended of which it is not known whether they were cut. */
  undecided = 0;
  #waiting: (() => void)[] = [];

  constructor(readonly options: ShutdownOptions) {}

  get phase(): ShutdownPhase {
    return this.#state.phase;
  }

  get requests(): number {
    return this.#state.requests;
  }

  /** Milliseconds since the shutdown began; null: it has not. */
  get sinceBeginMs(): number | null {
    return this.phase === "serving" ? null : this.options.clock.now() - this.#state.beganAtMs;
  }

  get cut(): number {
    return this.#cut + this.#closed;
  }

  get latestLook(): TrafficLook | null {
    return this.#state.latest;
  }

  requestStop(): void {
    // What was busy at the end of the drain may have finished since: it is not cut.
    try {
      if (this.phase === "drained") this.#lookOnce();
    } finally {
      this.#step({ kind: "stop", atMs: this.options.clock.now() });
    }
  }

  /** Resolves when the traffic has drained, or the service has exited. */
  drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#step({ kind: "drain", atMs: this.options.clock.now() });
    return promise;
  }

  /** To be called when the last process of the server has exited. */
  serverExited(): void {
    this.#step({ kind: "exited", atMs: this.options.clock.now() });
    this.close();
  }

  #step(event: ShutdownEvent): void {
    const { state, effects } = stepShutdown(this.#state, event, this.options.policy);
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case "begin":
          this.options.onBegin?.();
          break;
        case "phase":
          this.options.onPhase?.(effect.phase, effect.why);
          break;
        case "signal":
          this.#lose(effect);
          this.options.signal?.(effect.spentMs);
          break;
        case "kill":
          this.#lose(effect);
          this.options.kill?.();
          break;
      }
    }
    if (["drained", "stopping", "killing", "over"].includes(state.phase)) {
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
    if (this.#timer === null) this.#schedule(0);
  }

  #lose(losses: { readonly cut: number | null; readonly undecided: number | null }): void {
    // A connection that was there at the signal may still be there at KILL: it counts once.
    this.#cut = Math.max(this.#cut, losses.cut ?? 0);
    this.undecided = Math.max(this.undecided, losses.undecided ?? 0);
  }

  #schedule(costMs: number): void {
    const intervalMs = LOOK_MS[this.phase];
    if (intervalMs === undefined) return;
    const nowMs = this.options.clock.now();
    // A slow look is followed by a pause of the same length: many connections must not take all the time.
    const pausedMs = nowMs + Math.max(intervalMs, costMs);
    // However long looks take, one comes at the deadline.
    const deadlineMs = this.#deadlineMs;
    this.#lookAtMs = nowMs < deadlineMs ? Math.min(pausedMs, deadlineMs) : nowMs + intervalMs;
    this.#wait();
  }

  get #deadlineMs(): number {
    const { minDrainMs, maxDrainMs } = this.options.policy;
    return this.#state.beganAtMs + minDrainMs + maxDrainMs;
  }

  #wait(): void {
    const untilMs = Math.max(0, this.#lookAtMs - this.options.clock.now());
    const isVisiting = this.phase === "draining" && untilMs > VISIT_MS;
    this.#timer = isVisiting
      ? this.options.clock.after(VISIT_MS, () => this.#visit())
      : this.options.clock.after(untilMs, () => this.#look());
  }

  #visit(): void {
    try {
      this.options.traffic.closeIdle(this.options.clock.now());
    } finally {
      this.#wait();
    }
  }

  #look(): void {
    const atMs = this.options.clock.now();
    try {
      this.#lookOnce();
    } finally {
      this.#timer = null;
      this.#schedule(this.options.clock.now() - atMs);
    }
  }

  /** Looks once. A look that throws counts as a failed look. */
  #lookOnce(): void {
    let look: TrafficLook | null = null;
    try {
      const atMs = this.options.clock.now();
      const untilMs = Math.max(this.#deadlineMs, atMs + LATE_LOOK_MS);
      look = this.options.traffic.sample(atMs, untilMs);
    } finally {
      // The look may have taken long.
      this.#step({ kind: "look", atMs: this.options.clock.now(), look });
      this.#closeLongLived();
    }
  }

  #closeLongLived(): void {
    const { options: { policy }, phase } = this;
    if (phase !== "draining" || policy.finishesRequests) return;
    const { beganAtMs } = this.#state;
    const drain = { beganAtMs, endsAtMs: lastSignalAtMs(beganAtMs, policy) };
    this.#closed += this.options.traffic.closeLongLived(this.options.clock.now(), drain);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
