/**
 * What makes a service a good pod, in both modes: the end that waits for those who send the traffic,
 * and the answers to probes. docs/kubernetes.md
 */
import type { Config } from "../config/config.ts";
import { PortWatch } from "../drain/port_watch.ts";
import type { Logger } from "../log/logger.ts";
import type { ShutdownPhase, ShutdownPolicy } from "../lifecycle/shutdown.ts";
import type { Platform } from "../platform/platform.ts";
import type { DrainReport, ProbeReport } from "../report/snapshot.ts";
import { spreadOf } from "../generation/stop_policy.ts";
import { Shutdown } from "./shutdown.ts";

export interface PodOptions {
  readonly platform: Platform;
  readonly config: Config;
  readonly logger: Logger;
  readonly policy: ShutdownPolicy;
  /** Of the probes, which are no traffic. */
  readonly exceptPort: number | null;
  /** In a pod the network namespace is the service's own. */
  readonly inPod: boolean;
  /** Ports of the service; empty: those that its processes listen at. */
  ports(): readonly number[];
  processes(): readonly number[];
  probesAccepted(): number;
  /** Null, or what is missing. */
  whyNotReady(): string | null;
  onBegin(): void;
  /** @param spentMs of the policy's `maxDrainMs`, what is gone */
  signal(spentMs: number): void;
  kill(): void;
}

export class Pod {
  readonly shutdown: Shutdown;
  readonly traffic: PortWatch;
  #started = false;

  constructor(readonly options: PodOptions) {
    const { platform, config, logger } = options;
    this.traffic = new PortWatch(platform, {
      ports: options.ports,
      exceptPort: options.exceptPort,
      processes: options.processes,
      quietMs: config.quietMs,
      spreadMs: spreadOf(config, options.policy.maxDrainMs),
      countsOpens: options.inPod,
      ownOpens: options.probesAccepted,
    });
    this.shutdown = new Shutdown({
      policy: options.policy,
      look: (atMs) => this.traffic.sample(atMs),
      closeLongLived: (atMs, drain) => this.traffic.closeLongLived(atMs, drain),
      endIdle: (atMs) => this.traffic.closeIdle(atMs),
      onBegin: options.onBegin,
      onPhase: (phase, why) => {
        // Its end is told by whoever has seen it.
        if (phase !== "over") logger.info(`${DESCRIPTIONS[phase]}: ${why}`, this.#facts());
      },
      signal: options.signal,
      kill: options.kill,
    });
  }

  /** Waits the traffic out, and says who is busy then. */
  async drain(): Promise<DrainReport> {
    await this.shutdown.drain();
    const busy = this.#busyNow();
    return { drained: busy === 0, busy };
  }

  #busyNow(): number | null {
    // Looked at anew where that is over, or never began: in the full mode the supervisor waits for them later.
    const isOver = ["drained", "over"].includes(this.shutdown.phase);
    try {
      const look = isOver ? this.traffic.sample(performance.now()) : this.shutdown.latestLook;
      return look?.busy ?? null;
    } catch {
      return null;
    }
  }

  /** Readiness is the one thing that an end changes at once. */
  probes(): ProbeReport {
    const missing = this.options.whyNotReady();
    this.#started ||= missing === null;
    const sinceBeginMs = this.shutdown.sinceBeginMs;
    const { readyDelayMs } = this.options.config;
    const isEnding = sinceBeginMs !== null && sinceBeginMs >= readyDelayMs;
    const why = isEnding ? `it is ending (${this.shutdown.phase})` : missing ?? "";
    return { started: this.#started, ready: !isEnding && missing === null, live: true, why };
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

/** For the log. */
const DESCRIPTIONS: Readonly<Record<ShutdownPhase, string>> = {
  serving: "serves",
  "lame-duck": "no longer ready, goes on accepting",
  draining: "waits for its connections",
  drained: "drained",
  stopping: "stop signal",
  killing: "KILL",
  over: "the server has ended",
};
