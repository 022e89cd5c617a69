/**
 * The pod of a supervisor: a stop first waits for load balancers to react (`--min-drain`), and the supervisor's own drain
 * follows. What that wait takes beyond its minimum is deducted from the drain, so that `--min-drain` plus a stop bounds
 * the whole.
 */
import { drainTimeAtStop } from "../config/config.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { Pod, type PodOptions } from "./pod.ts";

export type SupervisedPodOptions = Pick<
  PodOptions,
  "platform" | "config" | "logger" | "setup" | "ports" | "portsAccepted" | "finished"
>;

export function supervisedPod(supervisor: Supervisor, options: SupervisedPodOptions): Pod {
  const pod: Pod = new Pod({
    ...options,
    policy: {
      maxDrainMs: drainTimeAtStop(options.config),
      finishesRequests: true,
      skipsDrain: true,
    },
    processes: () => [],
    hand: supervisor,
    // During an upgrade two instances share the probe port: the service is ready in both.
    whyNotReady: () =>
      supervisor.servingEpoch === null && !supervisor.hasHandedOver ? "no generation serves" : null,
    // Live checks are connections that the shutdown would wait for, and an unhealthy server is not replaced any more.
    onBegin: () => supervisor.stopLiveChecks(),
    // From here on the supervisor counts the stop requests.
    signal: (spentMs) => {
      supervisor.stop(spentMs);
      if (pod.shutdown.requests > 1) supervisor.stop();
      pod.shutdown.serverExited();
    },
    onLateStop: () => supervisor.stop(),
  });
  return pod;
}
