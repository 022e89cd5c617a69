/**
 * A supervisor in a pod: the same interface, but a stop first waits for those who send the traffic
 * (`--min-drain`), and probes are answered. The supervisor's own drain comes after that, and is shorter
 * by what that wait took beyond its least time: `--min-drain` and a stop hold the whole.
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
  /** How it has ended. */
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
      // Probes reach either of two batons that share the port, and the service is ready.
      whyNotReady: () =>
        supervisor.servingEpoch === null && !supervisor.hasHandedOver
          ? "no generation serves"
          : null,
      // They are new connections too, for whose end it waits; and nothing is replaced any more.
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

  /** First time: wait, drain and stop. Second: stop without waiting. Third: kill. */
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

  /** The supervisor counts the requests from here on. */
  #stop(spentMs: number): void {
    const { shutdown: shutdown } = this.pod;
    this.options.supervisor.stop(spentMs);
    if (shutdown.requests > 1) this.options.supervisor.stop();
    shutdown.serverExited();
    shutdown.close();
  }
}
