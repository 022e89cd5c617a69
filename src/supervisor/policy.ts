/** Policy that depends on the configuration or on the kernel, and so is decided here; all else is in lifecycle/. */
import type { Config } from "../config/config.ts";
import { signalNumber } from "../config/values/signals.ts";
import type { RunningContext } from "../generation/context.ts";
import type { Rollout } from "../lifecycle/rollout.ts";
import type { ServicePolicy, ServiceState } from "../lifecycle/state.ts";
import type { Platform } from "../platform/platform.ts";
import type { Snapshot } from "../report/snapshot.ts";
import type { Listeners } from "../steering/listeners.ts";
import { workerCount } from "./worker_launch.ts";
import { ancestorsOf, whyInPlace } from "../succession/process_manager.ts";

export function servicePolicy(config: Config, order: ServicePolicy["order"]): ServicePolicy {
  return {
    order,
    maxGenerations: config.maxGenerations,
    onCrash: config.onCrash ?? "restart",
    membersAtStart: config.listen.length > 0,
    rollout: rolloutOf(config),
    rollsBackUnhealthy: config.rollbackOn !== "crash",
    workers: workerCount(config),
    backoff: {
      delayMs: config.crashDelayMs,
      maxDelayMs: config.crashDelayMaxMs,
      limit: config.crashLimit,
    },
  };
}

/** How many workers a generation is to have. */
export function workersAsked(
  config: Config,
  order: ServicePolicy["order"],
  { workers }: Pick<ServiceState, "workers">,
): Snapshot["workers"] {
  const { workers: configured } = servicePolicy(config, order);
  return { configured, wanted: workers ?? configured };
}

/** The rollout of generations for which a reload names none. */
export function rolloutOf({ canary, rampMs, bakeMs, hold, rolling }: Config): Rollout {
  return { canary, rampMs, bakeMs, hold, rolling };
}

/** @returns why an upgrade must keep this process and its server; null: it need not */
export function mustStay(
  { runtime }: Platform,
  order: ServicePolicy["order"],
): string | null {
  if (order === "stop-first") return "the server must not run twice (--order stop-first)";
  return whyInPlace({ pid: runtime.pid, env: runtime.env() }, ancestorsOf("self"));
}

/** @returns why neither exec nor a child can keep the listeners; null: they can */
export function upgradeObstacle({ groups }: Listeners): string | null {
  const remote = groups.find(({ network }) => network !== null);
  if (remote === undefined) return null;
  // The socket that makes others there does not travel by exec or to a child.
  return `the sockets at ${remote.text} belong to another network namespace since a takeover: ` +
    "replace this baton by a takeover too";
}

/** @returns what makes the server reopen its logs (--usr1); null: it does not know such a signal */
export function reopenSignal(
  { config: { usr1 }, preset }: Pick<RunningContext, "config" | "preset">,
): number | null {
  const knows = usr1 === "forward" || (usr1 === "auto" && preset.usr1 !== "ignore");
  return knows ? signalNumber("SIGUSR1") : null;
}
