/**
 * What a service needs in a pod, in both modes: a shutdown that waits for load balancers to react, and the answers to
 * probes. docs/kubernetes.md
 */
import type { Config } from "../config/config.ts";
import { PortWatch } from "../drain/port_watch.ts";
import type { Logger } from "../log/logger.ts";
import type { ShutdownPhase, ShutdownPolicy } from "../lifecycle/shutdown.ts";
import type { InetAddress } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import type { DrainReport, ProbeReport, StopReport } from "../report/snapshot.ts";
import { spreadOf } from "../generation/stop_policy.ts";
import { Shutdown } from "./shutdown.ts";

export interface PodSetup {
  /** Whether this is a pod: the network namespace belongs to the service alone. */
  readonly inPod: boolean;
  readonly minDrainMs: number;
  /** The address of the probes, which are not traffic. */
  readonly probeAddress: InetAddress | null;
}

export interface PodOptions {
  readonly platform: Platform;
  readonly config: Config;
  readonly logger: Logger;
  readonly setup: PodSetup;
  readonly policy: Pick<ShutdownPolicy, "maxDrainMs" | "finishesRequests" | "skipsDrain">;
  /** Ports of the service; empty: those that its processes listen on. */
  ports(): readonly number[];
  processes(): readonly number[];
  /** How many connections to ports of baton's own were accepted. */
  portsAccepted(): number;
  /** Why the service is not ready; null: it is. */
  whyNotReady(): string | null;
  /** Where it is kept that an operator has failed the health of the service; missing: in this object. */
  readonly hand?: { isFailedByHand: boolean; failByHand(isFailed: boolean): void };
  onBegin?(): void;
  /** Called when connections are waited for from now on. */
  onDraining?(): void;
  /** Sends the stop signal. @param spentMs the part of the policy's `maxDrainMs` that is used up */
  signal(spentMs: number): void;
  kill?(): void;
  /** Called when a stop was requested after the end of the shutdown. */
  onLateStop?(): void;
  /** Resolves when the service has exited. */
  readonly finished: Promise<StopReport>;
}

export class Pod {
  readonly shutdown: Shutdown;
  readonly traffic: PortWatch;
  #started = false;
  #isFailedByHand = false;

  constructor(readonly options: PodOptions) {
    const { platform, config, logger, setup, policy } = options;
    const { probeAddress, inPod, minDrainMs } = setup;
    const { quietMs, stopTimeMs } = config;
    this.traffic = new PortWatch(platform, {
      ports: options.ports,
      exceptPorts: ownPorts(probeAddress, config),
      processes: options.processes,
      quietMs,
      spreadMs: spreadOf(config, policy.maxDrainMs),
      countsOpens: inPod,
      ownOpens: options.portsAccepted,
    });
    this.shutdown = new Shutdown({
      ...options,
      clock: platform.clock,
      policy: { ...policy, minDrainMs, quietMs, stopTimeMs, expectsListener: true },
      traffic: this.traffic,
      onPhase: (phase, why) => {
        if (phase === "draining") options.onDraining?.();
        const text = DESCRIPTIONS[phase];
        if (text !== undefined) logger.info(`${text}: ${why}`, this.#facts());
      },
    });
  }

  get finished(): Promise<StopReport> {
    return this.options.finished;
  }

  /** Stops. First request: wait, drain and stop. Second: stop without waiting. Third: kill. */
  stop(): void {
    if (this.shutdown.phase === "over") this.options.onLateStop?.();
    else this.shutdown.requestStop();
  }

  /** Waits until the traffic has drained, and reports how many connections are still busy. */
  async drain(): Promise<DrainReport> {
    await this.shutdown.drain();
    const busy = this.#busyNow();
    return { drained: busy === 0, busy };
  }

  #busyNow(): number | null {
    // A new look where the last one is old or missing: in the full mode the supervisor waits for connections later.
    const isOver = ["drained", "over"].includes(this.shutdown.phase);
    try {
      const look = isOver
        ? this.traffic.sample(this.options.platform.clock.now())
        : this.shutdown.latestLook;
      return look?.busy ?? null;
    } catch {
      return null;
    }
  }

  /** A shutdown changes readiness at once, and nothing else. */
  probes(): ProbeReport {
    const missing = this.options.whyNotReady();
    this.#started ||= missing === null;
    const sinceBeginMs = this.shutdown.sinceBeginMs;
    const { readyDelayMs } = this.options.config;
    const isShuttingDown = sinceBeginMs !== null && sinceBeginMs >= readyDelayMs;
    const out = isShuttingDown
      ? `it is shutting down (${this.shutdown.phase})`
      : this.isFailedByHand
      ? "its health was failed by hand (/healthcheck/fail)"
      : null;
    const why = out ?? missing;
    return { started: this.#started, ready: why === null, live: true, why: why ?? "" };
  }

  /** An operator wants the service to get no traffic: it is not ready, and serves on. */
  failByHand(isFailed: boolean): void {
    this.#isFailedByHand = isFailed;
    this.options.hand?.failByHand(isFailed);
    this.options.logger.info(`health: ${isFailed ? "failed by hand" : "no longer failed by hand"}`);
  }

  get isFailedByHand(): boolean {
    return this.options.hand?.isFailedByHand ?? this.#isFailedByHand;
  }

  /** Whether the service is to get no new traffic. */
  get isDraining(): boolean {
    return this.isFailedByHand || this.shutdown.sinceBeginMs !== null;
  }

  #facts(): Record<string, number> {
    const { latestLook: look, cut, undecided } = this.shutdown;
    return {
      ...(look === null ? {} : { busy: look.busy, idle: look.idle }),
      ...(this.traffic.closedCount === 0 ? {} : { ended: this.traffic.closedCount }),
      ...(cut === 0 ? {} : { cut }),
      ...(undecided === 0 ? {} : { undecided }),
    };
  }
}

function ownPorts(probeAddress: InetAddress | null, { admin }: Config): number[] {
  const adminPort = admin === null || admin.family === "unix" ? [] : [admin.port];
  return [...probeAddress === null ? [] : [probeAddress.port], ...adminPort];
}

/** What the log says of a phase; the exit of the server is logged where it is noticed. */
const DESCRIPTIONS: Readonly<Partial<Record<ShutdownPhase, string>>> = {
  "lame-duck": "no longer ready, still accepting connections",
  draining: "waiting for connections to finish",
  drained: "drained",
  stopping: "stop signal",
  killing: "KILL",
};
