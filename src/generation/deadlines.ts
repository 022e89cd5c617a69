/**
 * How long each wait of a generation may take: as configured, and less in a shutdown that has spent time on another
 * wait, so that the whole takes no longer than `longestStopMs()` says.
 */
import { type Config, drainTimeAtStop } from "../config/config.ts";
import type { ConfiguredTimer } from "../lifecycle/vocabulary.ts";
import type { GenerationHandle } from "./handle.ts";

/** A generation that has served this long is healthy: earlier crashes no longer count. */
const HEALTHY_AFTER_MS = 10_000;

type TimedGeneration = Pick<GenerationHandle, "epoch" | "stopTimeMs"> & {
  readonly timers: Pick<GenerationHandle["timers"], "arm" | "limit">;
};

export class Deadlines {
  #isStopping = false;
  #shorterByMs = 0;

  /** @param context read at each use: its configuration may become another one */
  constructor(
    readonly context: {
      readonly config: Pick<
        Config,
        "readyTimeoutMs" | "drainTimeMs" | "stopDrainTimeMs" | "stopTimeMs" | "stopFirstDrainMs"
      >;
    },
    readonly running: ReadonlyMap<number, TimedGeneration>,
    /** Whether new connections wait while this generation drains. */
    readonly isHeld: (epoch: number) => boolean = () => false,
  ) {}

  get #drainMs(): number {
    const { config } = this.context;
    const fullMs = this.#isStopping ? drainTimeAtStop(config) : config.drainTimeMs;
    return Math.max(0, fullMs - this.#shorterByMs);
  }

  arm(timer: ConfiguredTimer, handle: TimedGeneration): void {
    handle.timers.arm(timer, this.#delayOf(timer, handle));
  }

  /** The service stops: no wait, running or future, is longer than --stop-drain-time. */
  beginStop(): void {
    const { drainTimeMs, stopDrainTimeMs } = this.context.config;
    this.#isStopping = true;
    if (stopDrainTimeMs !== null && stopDrainTimeMs < drainTimeMs) this.#limitAll();
  }

  /** Shortens every drain deadline, running and future, and the stop deadlines that follow. */
  shortenDrains(byMs: number): void {
    this.#shorterByMs = byMs;
    this.#limitAll();
  }

  #limitAll(): void {
    for (const { timers } of this.running.values()) {
      timers.limit("drain", this.#drainMs);
      timers.limit("stop", this.#drainMs + this.context.config.stopTimeMs);
    }
  }

  #delayOf(timer: ConfiguredTimer, handle: TimedGeneration): number {
    switch (timer) {
      // A successor that is not ready has as long as one that lacks a listener.
      case "late":
      case "ready":
        return this.context.config.readyTimeoutMs;
      case "drain":
        return this.#drainMsOf(handle);
      case "stop":
        return handle.stopTimeMs(this.#drainMsOf(handle));
      // For this long, a crash may be a consequence of what the generation has just gone through.
      case "aftermath":
      case "health":
        return HEALTHY_AFTER_MS;
    }
  }

  #drainMsOf({ epoch }: TimedGeneration): number {
    return this.isHeld(epoch) ? this.context.config.stopFirstDrainMs : this.#drainMs;
  }
}
