/**
 * `--shutdown-only`: one server, started once, and shut down gracefully.
 *
 * Guarantees: every process below is reaped; baton exits after the last process of the server: with 0 after a requested
 * shutdown that cut nothing, else with the server's own status.
 */
import { signalNumber } from "../config/values/signals.ts";
import { EXIT_DRAIN_TIMED_OUT } from "../lifecycle/status.ts";
import type { Timer } from "../platform/clock.ts";
import { C } from "../platform/libc/constants.ts";
import { type ExitStatus, shellStatus } from "../platform/process/wait_status.ts";
import { reportExit } from "../report/exit_report.ts";
import {
  NO_STORY,
  type ScaleReport,
  type Snapshot,
  type StopReport,
  type TrialReport,
  type UpgradeReport,
} from "../report/snapshot.ts";
import type { ReloadReport } from "../report/reload_report.ts";
import { NO_PROGRESS } from "../report/state_progress.ts";
import { type Summary, summaryFrom } from "../report/summary.ts";
import { Pod, type PodOptions } from "./pod.ts";
import { EPOCH, SingleServer, type SingleServerOptions } from "./single_server.ts";

/** The first and the last delay of looks for a listener of the started server; they double. */
const FIRST_LISTEN_LOOK_MS = 100;
const LAST_LISTEN_LOOK_MS = 60_000;
const REFUSED = {
  result: "refused",
  reason: "baton runs with --shutdown-only: it stops the server, and does not replace it",
  durationMs: 0,
} as const;

interface ShutdownServiceOptions
  extends
    Pick<SingleServerOptions, "platform" | "config" | "plan" | "logger">,
    Pick<PodOptions, "setup" | "portsAccepted"> {
  readonly version: string;
}

export class ShutdownService {
  readonly pod: Pod;
  readonly server: SingleServer;
  readonly #startedAt: string;
  readonly #finish = Promise.withResolvers<StopReport>();
  #hasListened = false;
  /** Whether the server was killed without a busy connection: nothing was lost. */
  #killLostNothing = false;
  #listenTimer: Timer | null = null;

  constructor(readonly options: ShutdownServiceOptions) {
    const { platform, config } = options;
    this.#startedAt = new Date(platform.clock.wallMs()).toISOString();
    this.server = new SingleServer({
      ...options,
      ports: () => this.pod.traffic.ports,
      // The processes that remain listen, or nothing has listened yet.
      mayServeInBackground: () => !this.#hasListened || this.pod.traffic.isListening() !== false,
      onExit: (status) => this.#onExit(status),
    });
    this.pod = new Pod({
      ...options,
      policy: {
        maxDrainMs: config.maxDrainMs,
        finishesRequests: this.server.stopPolicy.finishesRequests,
        skipsDrain: config.drain === "signal",
      },
      ports: () => [],
      processes: () => this.server.processes(),
      whyNotReady: () => this.#whyNotReady(),
      onDraining: () => this.server.goodbye.begin(),
      signal: () => this.server.signalStop(),
      kill: () => {
        this.#killLostNothing = this.pod.shutdown.latestLook?.busy === 0;
        this.server.kill();
      },
      finished: this.#finish.promise,
    });
  }

  /** @throws {SystemCallError} when not even the launcher can be started */
  start(): void {
    this.server.start();
    this.#lookForListener(FIRST_LISTEN_LOOK_MS);
  }

  /**
   * Looks whether the server listens. When the leading process exits with 0, this tells a daemon that serves in the
   * background from a helper.
   */
  #lookForListener(delayMs: number): void {
    this.#listenTimer = this.options.platform.clock.after(delayMs, () => {
      this.#whyNotReady();
      if (!this.#hasListened && delayMs < LAST_LISTEN_LOOK_MS) this.#lookForListener(delayMs * 2);
    });
  }

  reload(): Promise<ReloadReport> {
    const generation = { ...NO_STORY, epoch: EPOCH, serving: EPOCH, trial: null };
    return Promise.resolve({
      ...REFUSED,
      ...generation,
      output: [],
      outputIsDirect: true,
      outputSince: [],
      postponed: [],
    });
  }

  /** Opens the log of baton again, and the server's. */
  reopenLogs(): void {
    this.options.logger.reopen();
    if (this.options.config.usr1 !== "ignore") this.server.forward(signalNumber("SIGUSR1"));
  }

  upgrade(): Promise<UpgradeReport> {
    return Promise.resolve({ ...REFUSED, pid: null });
  }

  decide(): Promise<TrialReport> {
    return Promise.resolve({ ...REFUSED, epoch: EPOCH, shareOf: "connections" });
  }

  scale(): Promise<ScaleReport> {
    return Promise.resolve({ ...REFUSED, workers: 1 });
  }

  /** One generation, and the progress of its shutdown. */
  snapshot(): Snapshot {
    const { platform: { runtime, reactor, clock }, config, version } = this.options;
    const { shutdown, traffic } = this.pod;
    const isShuttingDown = shutdown.phase !== "serving";
    // A look compares with the one before it: no other look may come between those of a shutdown.
    const look = isShuttingDown ? shutdown.latestLook : traffic.sample(clock.now());
    const { owed: busy = 0, atRest: idle = 0, undecided = 0 } = look ?? {};
    return {
      name: config.name,
      version,
      pid: runtime.pid,
      epoch: isShuttingDown ? null : EPOCH,
      incarnation: 0,
      command: config.command,
      order: "start-first",
      orderReason: "--shutdown-only: there is no reload",
      duplicates: null,
      startedAt: this.#startedAt,
      listeners: [],
      helpers: [],
      drainCalls: this.server.goodbye.counts,
      fronts: [],
      workers: { configured: 1, wanted: 1 },
      generations: [{
        epoch: EPOCH,
        state: this.server.isSignaled ? "stopping" : isShuttingDown ? "draining" : "serving",
        outcome: isShuttingDown ? "stopped" : null,
        reason: null,
        pid: this.server.pid,
        startedAt: this.#startedAt,
        checks: [],
        drainCalls: [...this.server.goodbye.views],
        connections: { total: busy + idle + undecided, busy, idle, undecided },
        connectionsCut: shutdown.cut,
        connectionsUndecided: shutdown.undecided,
        takesConnections: false,
        ...NO_PROGRESS,
        workers: [],
      }],
      restarts: { ok: 0, failed: 0, crashes: 0 },
      lastReload: null,
      trial: null,
      self: { watches: reactor.size },
    };
  }

  summary(): Summary {
    return summaryFrom(this.snapshot(), this.options.platform.clock.wallMs());
  }

  #whyNotReady(): string | null {
    if (this.server.pid === null || this.server.exitStatus !== null) return "the server exited";
    // This is not repeated once the server has listened: what follows is the server's business.
    this.#hasListened ||= this.pod.traffic.isListening() === true;
    return this.#hasListened ? null : "the server does not listen yet";
  }

  #onExit(status: ExitStatus): void {
    const { shutdown } = this.pod;
    this.#listenTimer?.cancel();
    shutdown.serverExited();
    const { victims: killed } = this.server;
    this.#finish.resolve({ status: this.#statusOf(status), killed, left: [], cut: shutdown.cut });
  }

  #statusOf(status: ExitStatus): number {
    const { requests, cut, undecided } = this.pod.shutdown;
    if (requests === 0) return shellStatus(status);
    if (cut > 0) {
      const fields = undecided === 0 ? { cut } : { cut, undecided };
      this.options.logger.error("connections were cut", fields);
      return EXIT_DRAIN_TIMED_OUT;
    }
    const { wasKilled, isSignaled, stopPolicy } = this.server;
    // If the leading process had exited before, KILL was for what it left behind.
    if (wasKilled && status.kind === "signalled" && status.signal === C.SIGKILL) {
      return this.#killLostNothing ? 0 : EXIT_DRAIN_TIMED_OUT;
    }
    const stopSignal = isSignaled ? stopPolicy.leaderSignal : null;
    const { cleanExit } = stopPolicy;
    const report = reportExit(status, { stopSignal, cleanExit, daemonized: false, hints: [] });
    return report.asRequested ? 0 : report.status;
  }
}
