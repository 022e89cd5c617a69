/**
 * Signals to `baton run`, and what they mean (docs/signals.md).
 *
 * HUP reloads; USR2 upgrades baton itself. TERM, INT and QUIT stop gracefully; the second time
 * without waiting, the third at once (cli/service/stop_requests.ts says what is one time); so do those of `--stop-on`,
 * whatever else they would mean, and for process 1 those of `image_stop_signals.ts`. USR1 reopens baton's log and goes to the server if that knows it. A HUP that comes because
 * the terminal was closed is not a reload: it stops the service, as any program in a terminal stops.
 */
import {
  isStopping,
  type SignalName,
  signalNumber,
  STOP_SIGNALS,
  type StopSignal,
} from "../../config/values/signals.ts";
import type { Config } from "../../config/config.ts";
import type { Preset } from "../../config/presets.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import { processName, processStat } from "../../platform/process/proc.ts";
import type { Foreground } from "../../process/foreground.ts";
import { imageStopSignals, type SignalUses } from "./image_stop_signals.ts";
import { StopRequests } from "./stop_requests.ts";

/** What signals are about. */
interface SignalledService {
  reload(): unknown;
  upgrade(): unknown;
  stop(): void;
  forward(signal: number): void;
}

interface SignalTargets {
  readonly platform: Platform;
  readonly config: Config;
  readonly preset: Preset;
  readonly supervisor: SignalledService;
  readonly logger: Logger;
  readonly foreground: Foreground;
  /** HUP was ignored when baton was started: nohup(1). */
  readonly ignoresHangup: boolean;
}

/** @returns what removes the handlers again */
export function handleSignals(targets: SignalTargets): () => void {
  const { platform, config, supervisor, logger, ignoresHangup, foreground } = targets;
  const hadTerminal = hasTerminal();
  const reload = () => {
    if (hadTerminal && !hasTerminal()) {
      if (ignoresHangup) return logger.info("the terminal was closed: going on (nohup)");
      logger.warn("the terminal was closed: stopping");
      return supervisor.stop();
    }
    logger.info("SIGHUP: reload");
    supervisor.reload();
  };
  const stop = (signal: SignalName) => {
    logger.info(`${signal}: stop`);
    supervisor.stop();
  };
  const stopOn = stopSignalsOf(platform, config, {
    logFile: config.logFile,
    forwards: { usr1: forwardsUsr1(targets), winch: false },
    hasTerminal: hadTerminal,
  });
  const wishes = new StopRequests();
  const handlers: [signal: SignalName, handler: () => void][] = [
    ["SIGHUP", reload],
    ["SIGUSR2", () => {
      logger.info("SIGUSR2: upgrade");
      supervisor.upgrade();
    }],
    ...STOP_SIGNALS.map((signal): [SignalName, () => void] => [
      signal,
      () => stopAt(signal, { service: supervisor, logger, wishes }),
    ]),
    ["SIGTSTP", () => {
      if (!foreground.suspend()) foreground.stopSelf();
    }],
    ["SIGUSR1", () => {
      logger.reopen();
      if (forwardsUsr1(targets)) supervisor.forward(signalNumber("SIGUSR1"));
    }],
  ];
  const removers = [
    ...handlers.filter(([signal]) => !stopOn.includes(signal))
      .map(([signal, handler]) => platform.runtime.onSignal(signal, handler)),
    ...catchStopOn(platform, stopOn, stop),
  ];
  return () => removers.forEach((remove) => remove());
}

/** What stops baton besides TERM, INT and QUIT: what `--stop-on` names, and the image's own STOPSIGNAL. */
export function stopSignalsOf(
  platform: Platform,
  { stopOn }: Pick<Config, "stopOn">,
  uses: SignalUses,
): SignalName[] {
  const all = new Set([...stopOn, ...imageStopSignals(platform.runtime.pid, uses)]);
  return [...all].filter((signal) => !isStopping(signal));
}

/** @param stopOn as `stopSignalsOf` has them @returns what removes the handlers again */
export function catchStopOn(
  platform: Platform,
  stopOn: readonly SignalName[],
  stop: (signal: SignalName) => void,
): (() => void)[] {
  return stopOn.map((signal) => platform.onSignalNumber(signalNumber(signal), () => stop(signal)));
}

interface StopTargets {
  readonly service: Pick<SignalledService, "stop">;
  readonly logger: Logger;
  readonly wishes: StopRequests;
}

/** TERM, INT or QUIT has come. */
export function stopAt(signal: StopSignal, { service, logger, wishes }: StopTargets): void {
  const arrival = { signal, origin: "unknown", atMs: performance.now() } as const;
  if (!wishes.isNew({ ...arrival, hasManager: hasManager() })) {
    return logger.info(`${signal}: one wish with the stop signal just before it`);
  }
  logger.info(`${signal}: stop`);
  service.stop();
}

/** They get what the terminal sends, too, and send nothing on top of it [measured: stop_wish.ts]. */
const SILENT = /^(sh|dash|ash|bash|zsh|ksh|fish|busybox|g?make|npm\b.*|tini|env|time)$/;

/** Something above us in our own process group that may send a signal on: concurrently, nodemon, foreman. */
function hasManager(): boolean {
  const self = processStat("self");
  for (let pid = self?.parent ?? 0; pid > 0;) {
    const above = processStat(pid);
    if (above === null || above.group !== self?.group) return false;
    if (!SILENT.test(processName(pid) ?? "")) return true;
    pid = above.parent;
  }
  return false;
}

function forwardsUsr1({ config, preset }: SignalTargets): boolean {
  if (config.usr1 !== "auto") return config.usr1 === "forward";
  return preset.usr1 !== "ignore";
}

/** The kernel takes the terminal away from a session when it is hung up: tty_nr becomes 0. */
export function hasTerminal(): boolean {
  return (processStat("self")?.terminal ?? 0) !== 0;
}
