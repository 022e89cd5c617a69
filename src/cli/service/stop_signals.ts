/** What both modes of `baton run` have in common: which signals stop, and what a row of them asks for. */
import {
  isStopping,
  type SignalName,
  signalNumber,
  type StopSignal,
} from "../../config/values/signals.ts";
import type { Config } from "../../config/config.ts";
import { isShell } from "../../config/servers/shell_script.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import { processName, processStat } from "../../platform/process/proc.ts";
import { relaySignal } from "../../platform/process/signal_relay.ts";
import type { Pod } from "../../pod/pod.ts";
import { imageStopSignals, type SignalUses, StopRequests } from "./stop_requests.ts";

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

  /** A signal that stops; it may be the echo of the one before. */
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

/** Programs that receive the terminal's signals, too, and do not send another one [measured: stop_requests.ts]. */
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
export function hasTerminal(): boolean {
  return (processStat("self")?.terminal ?? 0) !== 0;
}
