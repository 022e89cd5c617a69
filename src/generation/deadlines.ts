/**
 * How long each wait of a generation may take: as configured, and less at an end that has begun with another wait,
 * so that all of it together takes no longer than `longestStopMs()` says.
 */
import type { Config } from "../config/config.ts";
import type { ConfiguredTimer } from "../lifecycle/vocabulary.ts";
import type { GenerationHandle } from "./handle.ts";

/** Crashes before this long a stretch of health are forgotten. */
const HEALTHY_AFTER_MS = 10_000;

type Waiting = Pick<GenerationHandle, "timers" | "stopTimeMs">;

export class Deadlines {
  #drainMs: number;

  constructor(
    readonly config: Pick<Config, "readyTimeoutMs" | "drainTimeMs" | "stopTimeMs">,
    readonly running: ReadonlyMap<number, Waiting>,
  ) {
    this.#drainMs = config.drainTimeMs;
  }

  arm(timer: ConfiguredTimer, handle: Waiting): void {
    handle.timers.arm(timer, this.#delayOf(timer, handle));
  }

  /** Drains have that much less time from here on: also those under way, and what follows them. */
  shortenDrains(byMs: number): void {
    this.#drainMs = Math.max(0, this.config.drainTimeMs - byMs);
    for (const { timers } of this.running.values()) {
      timers.limit("drain", this.#drainMs);
      timers.limit("stop", this.#drainMs + this.config.stopTimeMs);
    }
  }

  #delayOf(timer: ConfiguredTimer, handle: Waiting): number {
    switch (timer) {
      case "ready":
        return this.config.readyTimeoutMs;
      case "drain":
        return this.#drainMs;
      case "stop":
        return handle.stopTimeMs(this.#drainMs);
      // The successor's time is the same, whether it was not ready or is not wholly there.
      case "late":
        return this.config.readyTimeoutMs;
      // As long as what it has done by itself may come of what it has just gone through.
      case "aftermath":
      case "health":
        return HEALTHY_AFTER_MS;
    }
  }
}
