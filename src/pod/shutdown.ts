/**
 * Carries out the end of a service: asks the machine of lifecycle/shutdown.ts what follows, and
 * looks at the traffic as often as the phase needs it. Looks only while an end is under way.
 */
import {
  SERVING,
  type ShutdownEvent,
  type ShutdownPhase,
  type ShutdownPolicy,
  type ShutdownState,
  stepShutdown,
  type TrafficLook,
} from "../lifecycle/shutdown.ts";
import { lastSignalAtMs } from "../lifecycle/shutdown_times.ts";

/** Between two looks at the table of connections. */
const LOOK_MS: Readonly<Partial<Record<ShutdownPhase, number>>> = {
  "lame-duck": 100,
  draining: 20,
  stopping: 20,
};
/** Between two visits to the connections themselves: a pause in the use of one is short. */
const VISIT_MS = 4;
/** A look that takes long is followed by a pause as long, however many connections there are. */
const PAUSE_PER_COST = 1;

interface ShutdownOptions {
  readonly policy: ShutdownPolicy;
  /** @param atMs on the clock of `performance.now()` */
  look(atMs: number): TrafficLook | null;
  /** Ends connections of the latest look, where that loses nothing. */
  endIdle(atMs: number): void;
  /** Closes those that will not end by themselves, one by one until the stop signal. @returns how many, now */
  closeLongLived?(atMs: number, drain: { beganAtMs: number; endsAtMs: number }): number;
  onBegin(): void;
  onPhase(phase: ShutdownPhase, why: string): void;
  /** Send the stop signal. @param spentMs of `maxDrainMs`, what is gone */
  signal(spentMs: number): void;
  kill(): void;
}

export class Shutdown {
  #state: ShutdownState = SERVING;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the next look is due. */
  #lookAtMs = 0;
  #cut = 0;
  #undecided = 0;
  #closed = 0;
  #waiting: (() => void)[] = [];

  constructor(readonly options: ShutdownOptions) {}

  get phase(): ShutdownPhase {
    return this.#state.phase;
  }

  /** TERM and the like so far. */
  get requests(): number {
    return this.#state.requests;
  }

  /** Milliseconds since readiness was to fail; null: that has not come. */
  get sinceBeginMs(): number | null {
    return this.phase === "serving" ? null : performance.now() - this.#state.beganAtMs;
  }

  /** Connections that were not finished. */
  get cut(): number {
    return this.#cut + this.#closed;
  }

  /** Connections of which it was not known when they ended. */
  get undecided(): number {
    return this.#undecided;
  }

  get latestLook(): TrafficLook | null {
    return this.#state.latest;
  }

  requestStop(): void {
    // What was busy when the drain ended may have finished since, and is not cut then.
    try {
      if (this.phase === "drained") this.#lookOnce();
    } finally {
      this.#step({ kind: "stop", atMs: performance.now() });
    }
  }

  /** Resolves when the traffic has been waited out, or the service has ended. */
  drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#step({ kind: "drain", atMs: performance.now() });
    return promise;
  }

  /** No process is left. */
  serverExited(): void {
    this.#step({ kind: "exited" });
  }

  #step(event: ShutdownEvent): void {
    const { state, effects } = stepShutdown(this.#state, event, this.options.policy);
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case "begin":
          this.options.onBegin();
          break;
        case "phase":
          this.options.onPhase(effect.phase, effect.why);
          break;
        case "signal":
          this.#lose(effect);
          this.options.signal(effect.spentMs);
          break;
        case "kill":
          this.#lose(effect);
          this.options.kill();
          break;
      }
    }
    if (["drained", "stopping", "killing", "over"].includes(state.phase)) {
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
    if (this.#timer === null) this.#schedule(0);
  }

  #lose(losses: { readonly cut: number | null; readonly undecided: number | null }): void {
    // Who was there at the signal may be so still at KILL: that is no second connection.
    this.#cut = Math.max(this.#cut, losses.cut ?? 0);
    this.#undecided = Math.max(this.#undecided, losses.undecided ?? 0);
  }

  #schedule(costMs: number): void {
    const intervalMs = LOOK_MS[this.phase];
    if (intervalMs === undefined) return;
    const nowMs = performance.now();
    const pausedMs = nowMs + Math.max(intervalMs, costMs * PAUSE_PER_COST);
    // However much a look costs, the last one comes when the time is over.
    const { minDrainMs, maxDrainMs } = this.options.policy;
    const deadlineMs = this.#state.beganAtMs + minDrainMs + maxDrainMs;
    this.#lookAtMs = nowMs < deadlineMs ? Math.min(pausedMs, deadlineMs) : nowMs + intervalMs;
    this.#wait();
  }

  #wait(): void {
    const untilMs = Math.max(0, this.#lookAtMs - performance.now());
    const isVisiting = this.phase === "draining" && untilMs > VISIT_MS;
    this.#timer = isVisiting
      ? setTimeout(() => this.#visit(), VISIT_MS)
      : setTimeout(() => this.#look(), untilMs);
  }

  #visit(): void {
    try {
      this.options.endIdle(performance.now());
    } finally {
      this.#wait();
    }
  }

  #look(): void {
    const atMs = performance.now();
    try {
      this.#lookOnce();
    } finally {
      this.#timer = null;
      this.#schedule(performance.now() - atMs);
    }
  }

  /** A look that throws is no news. */
  #lookOnce(): void {
    let look: TrafficLook | null = null;
    try {
      look = this.options.look(performance.now());
    } finally {
      // It may have taken long.
      this.#step({ kind: "look", atMs: performance.now(), look });
      this.#closeLongLived();
    }
  }

  #closeLongLived(): void {
    const { options: { policy }, phase } = this;
    if (phase !== "draining" || policy.finishesRequests) return;
    const { beganAtMs } = this.#state;
    const drain = { beganAtMs, endsAtMs: lastSignalAtMs(beganAtMs, policy) };
    this.#closed += this.options.closeLongLived?.(performance.now(), drain) ?? 0;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
