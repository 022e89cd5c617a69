/** What the configuration means for the lifecycle: its policy. */
import type { Config } from "../config/config.ts";
import type { Rollout } from "../lifecycle/rollout.ts";
import type { ServicePolicy } from "../lifecycle/service.ts";

export function servicePolicy(config: Config): ServicePolicy {
  return {
    maxGenerations: config.maxGenerations,
    onCrash: config.onCrash ?? "restart",
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
