/**
 * A supervisor in a pod: a stop first waits for load balancers to react (`--min-drain`), and probes are answered. The
 * supervisor's own drain follows. What that wait takes beyond its minimum is deducted from the drain, so that
 * `--min-drain` plus a stop bounds the whole.
 */
import type { ShutdownPolicy } from "../lifecycle/shutdown.ts";
import { Pod, type PodOptions } from "./pod.ts";
import type {
  Decision,
  DrainReport,
  ProbeReport,
  ReloadReport,
  Snapshot,
  StopReport,
  TrialReport,
  UpgradeReport,
} from "../report/snapshot.ts";
import type { Rollout } from "../lifecycle/rollout.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

export interface GracefulServiceOptions
  extends Pick<PodOptions, "platform" | "config" | "logger" | "exceptPort" | "inPod"> {
  readonly supervisor: Supervisor;
  readonly minDrainMs: number;
  /** Resolves when the service has exited. */
  readonly finished: Promise<StopReport>;
  ports(): readonly number[];
  probesAccepted(): number;
}

export class GracefulService {
  readonly pod: Pod;

  constructor(readonly options: GracefulServiceOptions) {
    const { supervisor, config } = options;
    const policy: ShutdownPolicy = {
      minDrainMs: options.minDrainMs,
      maxDrainMs: config.drainTimeMs,
      quietMs: config.quietMs,
      stopTimeMs: config.stopTimeMs,
      finishesRequests: true,
      expectsListener: true,
      skipsDrain: true,
    };
    this.pod = new Pod({
      ...options,
      policy,
      processes: () => [],
      // During an upgrade two instances share the probe port: the service is ready in both.
      whyNotReady: () =>
        supervisor.servingEpoch === null && !supervisor.hasHandedOver
          ? "no generation serves"
          : null,
      // Live checks are connections that the shutdown would wait for, and an unhealthy server is not replaced any more.
      onBegin: () => supervisor.stopLiveChecks(),
      signal: (spentMs) => this.#stop(spentMs),
      kill: () => {},
    });
  }

  snapshot(): Snapshot {
    return this.options.supervisor.snapshot();
  }

  reload(how: Partial<Rollout> = {}): Promise<ReloadReport> {
    return this.options.supervisor.reload(how);
  }

  decide(decision: Decision): Promise<TrialReport> {
    return this.options.supervisor.decideTrial(decision);
  }

  upgrade(program: string | null = null, inPlace = false): Promise<UpgradeReport> {
    return this.options.supervisor.upgrade(program, inPlace);
  }

  forward(signal: number): void {
    this.options.supervisor.forward(signal);
  }

  /** First request: wait, drain and stop. Second: stop without waiting. Third: kill. */
  stop(): void {
    const { shutdown: shutdown } = this.pod;
    if (shutdown.phase === "over") this.options.supervisor.stop();
    else shutdown.requestStop();
  }

  get finished(): Promise<StopReport> {
    return this.options.finished;
  }

  drain(): Promise<DrainReport> {
    return this.pod.drain();
  }

  probes(): ProbeReport {
    return this.pod.probes();
  }

  /** From here on the supervisor counts the stop requests. */
  #stop(spentMs: number): void {
    const { shutdown: shutdown } = this.pod;
    this.options.supervisor.stop(spentMs);
    if (shutdown.requests > 1) this.options.supervisor.stop();
    shutdown.serverExited();
    shutdown.close();
  }
}
