/**
 * `--shutdown-only`: one server, started once, and ended well. No filter, no group, no second
 * generation; its standard output is baton's own.
 *
 * Guarantees: every process below is reaped; baton ends after the last process of the server, with 0
 * when the server was told to end and nothing was cut, else with the server's own status.
 */
import { presetForCommand } from "../config/presets.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import { EXIT_DRAIN_TIMED_OUT } from "../lifecycle/status.ts";
import type { ShutdownPolicy } from "../lifecycle/shutdown.ts";
import type { Config } from "../config/config.ts";
import type { Logger } from "../log/logger.ts";
import type { Platform } from "../platform/platform.ts";
import { type ExitStatus, shellStatus } from "../platform/process/processes.ts";
import { Children } from "../process/children.ts";
import { describeExit, reportExit } from "../report/exit_report.ts";
import { Foreground } from "../process/foreground.ts";
import { describeVictims, type KilledProcess, killedText } from "../report/killed_processes.ts";
import { Pod } from "./pod.ts";
import { busyProcesses, LeftoverSignals } from "../generation/leftovers.ts";
import { ServerProcess } from "../process/server_process.ts";
import {
  type DrainReport,
  NO_STORY,
  type ProbeReport,
  type ReloadReport,
  type Snapshot,
  type StopReport,
  type TrialReport,
  type UpgradeReport,
} from "../report/snapshot.ts";
import { shutdownSnapshot } from "./shutdown_snapshot.ts";
import { StopPolicy } from "../generation/stop_policy.ts";
import { C } from "../platform/libc/constants.ts";

const EPOCH = 0;
const NO_OUTPUT = { output: [], outputIsDirect: true };
/** When the first and the last look are for a listener of a server that has just been started; they double. */
const FIRST_LISTEN_LOOK_MS = 100;
const LAST_LISTEN_LOOK_MS = 60_000;
const NO_HANDOFF = "baton runs with --shutdown-only: it ends the server, and does not replace it";

interface ShutdownServiceOptions {
  readonly platform: Platform;
  readonly config: Config;
  readonly plan: LaunchPlan;
  readonly logger: Logger;
  readonly version: string;
  readonly minDrainMs: number;
  readonly inPod: boolean;
  readonly probePort: number | null;
  probesAccepted(): number;
}

export class ShutdownService {
  readonly #children: Children;
  readonly foreground: Foreground;
  readonly #stopPolicy: StopPolicy;
  readonly pod: Pod;
  readonly #startedAt = new Date();
  readonly #finish = Promise.withResolvers<StopReport>();
  #server: ServerProcess | null = null;
  #signalled = false;
  #killed: "no" | "useless" | "late" = "no";
  #hasListened = false;
  #killTimer: ReturnType<typeof setTimeout> | null = null;
  #listenTimer: ReturnType<typeof setTimeout> | null = null;
  #signalledAtMs: number | null = null;
  readonly #rest: LeftoverSignals;
  readonly #victims: KilledProcess[] = [];

  constructor(readonly options: ShutdownServiceOptions) {
    const { platform, config } = options;
    this.foreground = new Foreground({
      platform,
      leaders: () => this.#children.leaders(),
      isJob: true,
      log: (message) => options.logger.warn(message),
    });
    this.#children = new Children(
      platform,
      (pid, signal) => this.foreground.onLeaderStopped(pid, signal),
    );
    this.#stopPolicy = new StopPolicy(config, presetForCommand(config.command));
    this.#rest = new LeftoverSignals({
      clock: platform.clock,
      stopTimeMs: config.stopTimeMs,
      processes: () => this.#server?.processes() ?? [],
      findBusy: (pids) => {
        const groups = this.pod.traffic.ports.map((port) => ({ address: { port } }));
        return busyProcesses(platform, { groups }, config.quietMs, pids);
      },
      sendStopSignal: (pid) => platform.processes.signal(pid, this.#stopPolicy.stopSignal),
      onAllSignaled: () => {},
    });
    const policy: ShutdownPolicy = {
      minDrainMs: options.minDrainMs,
      maxDrainMs: config.maxDrainMs,
      quietMs: config.quietMs,
      stopTimeMs: config.stopTimeMs,
      finishesRequests: this.#stopPolicy.finishesRequests,
      expectsListener: true,
      skipsDrain: config.drain === "signal",
    };
    this.pod = new Pod({
      platform,
      config,
      logger: options.logger,
      policy,
      exceptPort: options.probePort,
      inPod: options.inPod,
      ports: () => [],
      processes: () => this.#server?.processes() ?? [],
      probesAccepted: options.probesAccepted,
      whyNotReady: () => this.#whyNotReady(),
      onBegin: () => {},
      signal: () => this.#signalStop(),
      kill: () => this.#kill(),
    });
  }

  /** @throws {SystemCallError} when not even the launcher can be started */
  start(): void {
    const { platform, plan, logger } = this.options;
    this.#server = new ServerProcess(platform, this.#children, {
      epoch: EPOCH,
      calls: { lettingPass: false, isAwaited: () => false },
      onNotification: () => {},
      onPrepared: () => {},
      onLaunchFailed: (_status, message) => logger.error(message),
      onLeaderExit: (status, remaining) => this.#onExit(status, remaining),
      // There is no other generation: whatever is a child of baton is its own.
      holdsMember: () => true,
      onAllExited: () => this.#end(),
    });
    const stdin = this.foreground.stdinFor(true);
    this.#server.start({ plan, stdin, captured: [], members: [], ready: null });
    logger.info("the server starts", { pid: this.#server.pid });
    this.#lookForListener(FIRST_LISTEN_LOOK_MS);
  }

  /** Whether it has listened tells, when it ends with 0, a helper that it leaves from a daemon that is to serve. */
  #lookForListener(delayMs: number): void {
    this.#listenTimer = setTimeout(() => {
      this.#whyNotReady();
      if (!this.#hasListened && delayMs < LAST_LISTEN_LOOK_MS) this.#lookForListener(delayMs * 2);
    }, delayMs);
  }

  /** First time: the whole sequence. Second: the stop signal at once. Third: KILL. */
  stop(): void {
    this.pod.shutdown.requestStop();
  }

  get finished(): Promise<StopReport> {
    return this.#finish.promise;
  }

  drain(): Promise<DrainReport> {
    return this.pod.drain();
  }

  /** To the main process, or to the group (`--signal-to`). */
  forward(signal: number): void {
    const server = this.#server;
    if (server === null) return;
    const toGroup = this.options.config.signalTo === "group" && server.exitStatus === null;
    if (toGroup) this.options.platform.processes.signal(-server.pid, signal);
    else server.signal(signal);
  }

  reload(): Promise<ReloadReport> {
    const about = { ...NO_STORY, ...NO_OUTPUT, epoch: EPOCH, trial: null };
    return Promise.resolve({ ...REFUSED, ...about, serving: EPOCH });
  }

  upgrade(): Promise<UpgradeReport> {
    return Promise.resolve({ ...REFUSED, pid: null });
  }

  decide(): Promise<TrialReport> {
    return Promise.resolve({ ...REFUSED, epoch: EPOCH });
  }

  probes(): ProbeReport {
    return this.pod.probes();
  }

  snapshot(): Snapshot {
    const { platform, config, version } = this.options;
    return shutdownSnapshot({
      ...{ config, version, pid: platform.runtime.pid, watches: platform.reactor.size },
      ...{ epoch: EPOCH, pod: this.pod, serverPid: this.#server?.pid ?? null },
      ...{ startedAt: this.#startedAt.toISOString(), isSignalled: this.#signalled },
    });
  }

  #whyNotReady(): string | null {
    if (this.#server === null || this.#server.exitStatus !== null) return "the server has ended";
    // Looked for until it is found; what has listened once is the server's business.
    this.#hasListened ||= this.pod.traffic.isListening() === true;
    return this.#hasListened ? null : "the server does not listen yet";
  }

  #signalStop(): void {
    this.#signalled = true;
    this.#signalledAtMs = performance.now();
    this.forward(this.#stopPolicy.stopSignal);
  }

  #kill(): void {
    const look = this.pod.shutdown.latestLook;
    this.#killed = look !== null && look.busy === 0 ? "useless" : "late";
    this.#killRest();
  }

  #killRest(): void {
    const since = this.#signalledAtMs;
    const afterMs = since === null ? null : performance.now() - since;
    const victims = describeVictims(EPOCH, this.#server?.processes() ?? [], afterMs);
    if (victims.length > 0) this.options.logger.error(`the server was ${killedText(victims)}`);
    this.#victims.push(...victims);
    this.#server?.kill();
  }

  #onExit(status: ExitStatus, lingering: number): void {
    const { logger, config } = this.options;
    logger.info(`the server has ended: ${describeExit(status)}`);
    const hadTerminal = this.foreground.onLeaderExit(this.#server?.pid ?? 0);
    if (lingering === 0) return this.#end();
    if (this.#killed !== "no") return;
    const isWell = status.kind === "exited" && status.code === 0;
    // A shell at a terminal ends with the jobs that it has left in the background.
    if (isWell && !this.#signalled && !hadTerminal && this.#goesOn()) {
      return logger.info(`${lingering} of its processes go on: waiting for them`);
    }
    const died = status.kind === "signalled" && status.signal === this.#stopPolicy.stopSignal;
    // One that its signal did not kill may have told them.
    this.#rest.send(this.#signalled && !died);
    if (this.#signalled) return;
    this.#signalledAtMs = performance.now();
    this.#killTimer = setTimeout(() => this.#killRest(), config.stopTimeMs);
  }

  /** What is left listens, or nothing has yet: it has gone to the background. */
  #goesOn(): boolean {
    return !this.#hasListened || this.pod.traffic.isListening() !== false;
  }

  #end(): void {
    const status = this.#server?.exitStatus;
    if (!status) return;
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
    if (this.#listenTimer !== null) clearTimeout(this.#listenTimer);
    this.#rest.cancel();
    this.pod.shutdown.serverExited();
    this.pod.shutdown.close();
    this.#server?.close();
    this.#children.close();
    const { cut } = this.pod.shutdown;
    this.#finish.resolve({ status: this.#statusOf(status), killed: this.#victims, cut });
  }

  #statusOf(status: ExitStatus): number {
    const { shutdown: shutdown } = this.pod;
    if (shutdown.requests === 0) return shellStatus(status);
    if (shutdown.cut > 0) {
      const { cut, undecided } = shutdown;
      const fields = undecided === 0 ? { cut } : { cut, undecided };
      this.options.logger.error("connections were cut", fields);
      return EXIT_DRAIN_TIMED_OUT;
    }
    // It may have ended before: then KILL was for what it left behind.
    const wasKilled = this.#killed !== "no" && status.kind === "signalled" &&
      status.signal === C.SIGKILL;
    if (wasKilled) return this.#killed === "useless" ? 0 : EXIT_DRAIN_TIMED_OUT;
    const stopSignal = this.#signalled ? this.#stopPolicy.stopSignal : null;
    const report = reportExit(status, { stopSignal, daemonized: false, hints: [] });
    return report.asRequested ? 0 : report.status;
  }
}

const REFUSED = { result: "refused", reason: NO_HANDOFF, durationMs: 0 } as const;
