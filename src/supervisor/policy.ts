/** What the configuration means for the lifecycle: its policy and its timers. */
import type { Config } from "../config/config.ts";
import type { Rollout } from "../lifecycle/rollout.ts";
import type { ServicePolicy } from "../lifecycle/service.ts";
import type { ConfiguredTimer } from "../lifecycle/vocabulary.ts";

/** Crashes before this long a stretch of health are forgotten. */
const HEALTHY_AFTER_MS = 10_000;

/** Whether servers live on when baton is killed. */
export function outlivesBaton(config: Config): boolean {
  return config.survive || config.orphan === "keep";
}

export function servicePolicy(config: Config): ServicePolicy {
  return {
    maxGenerations: config.maxGenerations,
    onCrash: config.onCrash,
    membersAtStart: config.listen.length > 0,
    rollout: rolloutOf(config),
    rollsBackUnhealthy: config.rollbackOn !== "crash",
    backoff: {
      delayMs: config.crashDelayMs,
      maxDelayMs: config.crashDelayMaxMs,
      limit: config.crashLimit,
    },
  };
}

/** How new generations are let in, where a reload does not say. */
export function rolloutOf({ canary, rampMs, bakeMs, hold }: Config): Rollout {
  return { canary, rampMs, bakeMs, hold };
}

/** @param running the generation that the timer is for @returns milliseconds */
export function delayOf(
  config: Config,
  timer: ConfiguredTimer,
  running: { readonly stopTimeMs: number },
): number {
  return {
    ready: config.readyTimeoutMs,
    drain: config.drainTimeMs,
    stop: running.stopTimeMs,
    health: HEALTHY_AFTER_MS,
  }[timer];
}
