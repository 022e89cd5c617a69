/**
 * The one server of `--shutdown-only`, with every process below it: start, signals, KILL, exit.
 *
 * No filter, no group, no second generation; its standard output is baton's own.
 */
import type { Config } from "../config/config.ts";
import { SingleGoodbye } from "./single_goodbye.ts";
import { presetForCommand } from "../config/presets.ts";
import { busyProcesses, LeftoverSignals } from "../generation/leftovers.ts";
import { StopPolicy } from "../generation/stop_policy.ts";
import type { Logger } from "../log/logger.ts";
import type { Timer } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import type { ExitStatus } from "../platform/process/wait_status.ts";
import { processName } from "../platform/process/proc.ts";
import { Children } from "../process/children.ts";
import { Foreground } from "../process/foreground.ts";
import { ServerProcess } from "../process/server_process.ts";
import { describeExit } from "../report/exit_report.ts";
import { describeVictims, type KilledProcess, killedText } from "../report/killed_processes.ts";

export const EPOCH = 0;

export interface SingleServerOptions {
  readonly platform: Platform;
  readonly config: Config;
  readonly plan: Parameters<ServerProcess["start"]>[0]["plan"];
  readonly logger: Logger;
  /** Ports that the server has listened on. */
  ports(): readonly number[];
  /** Whether the processes that remain may be a daemon that serves in the background. */
  mayServeInBackground(): boolean;
  /** Called when the last process has exited. @param status of the leading process */
  onExit(status: ExitStatus): void;
}

export class SingleServer {
  readonly foreground: Foreground;
  readonly stopPolicy: StopPolicy;
  readonly goodbye: SingleGoodbye;
  readonly victims: KilledProcess[] = [];
  /** Whether the server has received its stop signal. */
  isSignaled = false;
  wasKilled = false;
  readonly #children: Children;
  readonly #leader: ServerProcess;
  readonly #leftovers: LeftoverSignals;
  #killTimer: Timer | null = null;
  #signaledAtMs: number | null = null;

  constructor(readonly options: SingleServerOptions) {
    const { platform, config, logger } = options;
    this.foreground = new Foreground({
      platform,
      leaders: () => this.#children.leaders(),
      isJob: true,
      log: (message) => logger.warn(message),
    });
    this.#children = new Children(
      platform,
      (pid, signal) => this.foreground.onLeaderStopped(pid, signal),
    );
    const preset = presetForCommand(config.command, config.preset);
    this.stopPolicy = new StopPolicy(
      config,
      preset,
      () => processName(this.#leader.pid),
    );
    this.#leftovers = new LeftoverSignals({
      clock: platform.clock,
      stopTimeMs: config.stopTimeMs,
      processes: () => this.processes(),
      findBusy: (pids) => {
        const groups = options.ports().map((port) => ({ address: { port } }));
        return busyProcesses(platform, { groups }, config.quietMs, pids);
      },
      sendStopSignal: (pid) => platform.processes.signal(pid, this.stopPolicy.stopSignal),
    });
    this.#leader = new ServerProcess(platform, this.#children, {
      epoch: EPOCH,
      worker: 0,
      calls: () => ({ lettingPass: false, isAwaited: () => false }),
      onNotification: () => {},
      onPrepared: () => {},
      onLaunchFailed: (_status, message) => logger.error(message),
      onLeaderExit: (status, remaining) => this.#onLeaderExit(status, remaining),
      // There is no other generation: every child of baton belongs to it.
      holdsMember: () => true,
      onAllExited: () => this.#onAllExited(),
    });
    this.goodbye = new SingleGoodbye({
      platform,
      config,
      preset,
      logger,
      epoch: EPOCH,
      children: this.#children,
      server: this.#leader,
      ports: options.ports,
    });
  }

  get pid(): number | null {
    return this.#leader.pid === 0 ? null : this.#leader.pid;
  }

  get exitStatus(): ExitStatus | null {
    return this.#leader.exitStatus;
  }

  processes(): number[] {
    return this.pid === null ? [] : this.#leader.processes();
  }

  /** @throws {SystemCallError} when not even the launcher can be started */
  start(): void {
    const { plan, logger } = this.options;
    this.goodbye.onStart();
    const stdin = this.foreground.stdinFor(true);
    this.#leader.start({
      plan,
      stdin,
      captured: [],
      members: [],
      ready: null,
      onReleased: () => {},
    });
    logger.info("the server starts", { pid: this.#leader.pid });
  }

  /** Sends a signal to the main process, or to the group (`--signal-to`). */
  forward(signal: number): void {
    if (this.pid === null) return;
    const toGroup = this.options.config.signalTo === "group" && this.exitStatus === null;
    if (toGroup) this.options.platform.processes.signal(-this.pid, signal);
    else this.#leader.signal(signal);
  }

  /** Sends the stop signal, once the server has been asked to say goodbye, or could not be. */
  signalStop(): void {
    this.goodbye.whenSaid(() => this.#signalStop());
  }

  #signalStop(): void {
    this.isSignaled = true;
    this.#signaledAtMs = this.options.platform.clock.now();
    this.forward(this.stopPolicy.leaderSignal);
  }

  kill(): void {
    this.goodbye.close();
    this.wasKilled = true;
    this.#killRest();
  }

  #killRest(): void {
    const since = this.#signaledAtMs;
    const afterMs = since === null ? null : this.options.platform.clock.now() - since;
    const victims = describeVictims(EPOCH, this.processes(), afterMs);
    if (victims.length > 0) this.options.logger.error(`the server was ${killedText(victims)}`);
    this.victims.push(...victims);
    if (this.pid !== null) this.#leader.kill();
  }

  #onLeaderExit(status: ExitStatus, remaining: number): void {
    const { platform, logger, config, mayServeInBackground } = this.options;
    logger.info(`the server exited: ${describeExit(status)}`);
    const hadTerminal = this.foreground.onLeaderExit(this.#leader.pid);
    if (remaining === 0) return this.#onAllExited();
    if (this.wasKilled) return;
    const isWell = status.kind === "exited" && status.code === 0;
    // A shell at a terminal exits together with the jobs that it left in the background.
    if (isWell && !this.isSignaled && !hadTerminal && mayServeInBackground()) {
      return logger.info(`${remaining} of its processes keep running: waiting for them`);
    }
    const died = status.kind === "signalled" && status.signal === this.stopPolicy.leaderSignal;
    // A leader that survived its signal may have stopped them itself.
    this.#leftovers.send(this.isSignaled && !died);
    if (this.isSignaled) return;
    this.#signaledAtMs = platform.clock.now();
    this.#killTimer = platform.clock.after(config.stopTimeMs, () => this.#killRest());
  }

  #onAllExited(): void {
    const status = this.exitStatus;
    if (status === null) return;
    this.#killTimer?.cancel();
    this.goodbye.close();
    this.#leftovers.cancel();
    this.#leader.close();
    this.#children.close();
    this.options.onExit(status);
  }
}
