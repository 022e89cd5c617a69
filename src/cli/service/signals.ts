/**
 * Signals to `baton run`, and what they mean (docs/signals.md).
 *
 * HUP reloads; USR2 upgrades baton itself; TTIN adds a worker, TTOU takes one away. The first TERM, INT or QUIT stops
 * gracefully, the second without waiting, the third at once (stop_requests.ts tells what counts as one). The signals of
 * `--stop-on` stop too, whatever else they would mean, and so do those of an image for process 1. USR1 reopens baton's
 * log and goes to the server if that knows it. A HUP that comes because the terminal was closed is not a reload: it stops
 * the service, like any program in a terminal.
 */
import {
  isStopping,
  type SignalName,
  signalNumber,
  STOP_SIGNALS,
  type StopSignal,
} from "../../config/values/signals.ts";
import type { Config } from "../../config/config.ts";
import { isShell } from "../../config/servers/shell_script.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import { processName, processStat } from "../../platform/process/proc.ts";
import { relaySignal } from "../../platform/process/signal_relay.ts";
import type { Pod } from "../../pod/pod.ts";
import { reopenSignal } from "../../supervisor/reopen_signal.ts";
import type { SupervisorOptions } from "../../supervisor/options.ts";
import type { Supervisor } from "../../supervisor/supervisor.ts";
import type { ServiceSetup } from "./service_setup.ts";
import { imageStopSignals, type SignalUses, StopRequests } from "./stop_requests.ts";

/** @returns a function that removes the handlers */
export function handleSignals(
  { platform, config, logger, launchContext: { ignoresHangup } }: ServiceSetup,
  context: SupervisorOptions["context"],
  { supervisor, pod }: { readonly supervisor: Supervisor; readonly pod: Pod },
): () => void {
  const usr1 = reopenSignal(context) !== null;
  const hadTerminal = hasTerminal();
  const reload = () => {
    if (hadTerminal && !hasTerminal()) {
      if (ignoresHangup) return logger.info("the terminal was closed: continuing (nohup)");
      logger.warn("the terminal was closed: stopping");
      return pod.stop();
    }
    logger.info("SIGHUP: reload");
    void supervisor.reload();
  };
  const upgrade = () => {
    logger.info("SIGUSR2: upgrade");
    void supervisor.upgrade();
  };
  const scale = (workers: number, signal: SignalName) => {
    logger.info(`${signal}: one worker ${workers > 0 ? "more" : "fewer"}`);
    void supervisor.scale({ workers, relative: true });
  };
  const suspend = () => {
    if (!context.foreground.suspend()) context.foreground.stopSelf();
  };
  const stopOn = stopSignalsOf(platform, config, { usr1, winch: false });
  const stopper = new Stopper(platform, logger, pod);
  const handlers: readonly (readonly [SignalName, () => void])[] = [
    ["SIGHUP", reload],
    ["SIGUSR2", upgrade],
    ["SIGTSTP", suspend],
    ["SIGUSR1", () => supervisor.reopenLogs()],
    // In a terminal they are the kernel's, for a job in the background.
    ...hadTerminal ? [] : [
      ["SIGTTIN", () => scale(1, "SIGTTIN")] as const,
      ["SIGTTOU", () => scale(-1, "SIGTTOU")] as const,
    ],
    ...STOP_SIGNALS.map((signal) => [signal, () => stopper.onStopSignal(signal)] as const),
  ];
  const removers = [
    ...handlers.filter(([signal]) => !stopOn.includes(signal))
      .map(([signal, handler]) => platform.runtime.onSignal(signal, handler)),
    ...catchStopOn(platform, stopOn, (signal) => stopper.stop(signal)),
  ];
  return () => removers.forEach((remove) => remove());
}

/** What stops baton besides TERM, INT and QUIT: the signals of `--stop-on`, and the image's STOPSIGNAL. */
export function stopSignalsOf(
  platform: Platform,
  { stopOn, logFile }: Config,
  forwards: SignalUses["forwards"],
): SignalName[] {
  const uses = { logFile, forwards, hasTerminal: hasTerminal() };
  const all = new Set([...stopOn, ...imageStopSignals(platform.runtime.pid, uses)]);
  return [...all].filter((signal) => !isStopping(signal));
}

/** @param stopOn see `stopSignalsOf` @returns functions that remove the handlers */
export function catchStopOn(
  platform: Platform,
  stopOn: readonly SignalName[],
  stop: (signal: SignalName) => void,
): (() => void)[] {
  return stopOn.map((signal) => relaySignal(platform, signalNumber(signal), () => stop(signal)));
}

/** Turns signals into stop requests. */
export class Stopper {
  readonly #requests = new StopRequests();

  constructor(readonly platform: Platform, readonly logger: Logger, readonly pod: Pod) {}

  /** TERM, INT or QUIT, which may be the echo of the one before. */
  onStopSignal(signal: StopSignal): void {
    const arrival = { signal, atMs: this.platform.clock.now(), hasManager: hasManager() };
    if (this.#requests.isNew(arrival)) return this.stop(signal);
    this.logger.info(`${signal}: ignored, part of the previous stop request`);
  }

  stop(signal: SignalName): void {
    this.logger.info(`${signal}: stop`);
    this.pod.stop();
  }
}

/** They receive the terminal's signals, too, and do not send another one [measured: stop_requests.ts]. */
const SILENT = /^(g?make|npm\b.*|tini|env|time)$/;

/** Whether a process above us in our process group may forward signals: concurrently, nodemon, foreman. */
function hasManager(): boolean {
  const self = processStat("self");
  for (let pid = self?.parent ?? 0; pid > 0;) {
    const above = processStat(pid);
    if (above === null || above.group !== self?.group) return false;
    const name = processName(pid) ?? "";
    if (!isShell(name) && !SILENT.test(name)) return true;
    pid = above.parent;
  }
  return false;
}

/** The kernel takes the terminal away from a session when it is hung up: tty_nr becomes 0. */
function hasTerminal(): boolean {
  return (processStat("self")?.terminal ?? 0) !== 0;
}
