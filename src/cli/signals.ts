/**
 * Signals to `baton run`, and what they mean (docs/signals.md).
 *
 * HUP reloads; USR2 upgrades baton itself. TERM, INT and QUIT stop gracefully; the second time
 * without waiting, the third at once; so do those of `--stop-on`, whatever else they would mean. USR1 reopens baton's log and goes to the server if that knows it. A HUP that comes because
 * the terminal was closed is not a reload: it stops the service, as any program in a terminal stops.
 */
import type { Config, SignalName } from "../config/config.ts";
import type { Preset } from "../config/presets.ts";
import { signalNumber, STOP_SIGNALS } from "../config/signals.ts";
import type { Logger } from "../log/logger.ts";
import type { Platform } from "../platform/platform.ts";
import { processStat } from "../platform/proc.ts";

/** What signals are about. */
export interface SignalledService {
  reload(): unknown;
  upgrade(): unknown;
  stop(): void;
  forward(signal: number): void;
}

export interface SignalTargets {
  readonly platform: Platform;
  readonly config: Config;
  readonly preset: Preset;
  readonly supervisor: SignalledService;
  readonly logger: Logger;
  /** HUP was ignored when baton was started: nohup(1). */
  readonly ignoresHangup: boolean;
}

/** @returns what removes the handlers again */
export function handleSignals(targets: SignalTargets): () => void {
  const { platform, config, supervisor, logger, ignoresHangup } = targets;
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
  const stop = (signal: string) => {
    logger.info(`${signal}: stop`);
    supervisor.stop();
  };
  const handlers: [signal: SignalName, handler: () => void][] = [
    ["SIGHUP", reload],
    ["SIGUSR2", () => {
      logger.info("SIGUSR2: upgrade");
      supervisor.upgrade();
    }],
    ...STOP_SIGNALS.map((signal): [SignalName, () => void] => [signal, () => stop(signal)]),
    ["SIGUSR1", () => {
      logger.reopen();
      if (forwardsUsr1(targets)) supervisor.forward(signalNumber("SIGUSR1"));
    }],
  ];
  const removers = [
    ...handlers.filter(([signal]) =>
      !config.stopOn.includes(signal) || STOP_SIGNALS.includes(signal)
    )
      .map(([signal, handler]) => platform.runtime.onSignal(signal, handler)),
    ...catchStopOn(platform, config, stop),
  ];
  return () => removers.forEach((remove) => remove());
}

/** What `--stop-on` names. @returns what removes the handlers again */
export function catchStopOn(
  platform: Platform,
  { stopOn }: Pick<Config, "stopOn">,
  stop: (signal: SignalName) => void,
): (() => void)[] {
  return stopOn.filter((signal) => !STOP_SIGNALS.includes(signal))
    .map((signal) => platform.onSignalNumber(signalNumber(signal), () => stop(signal)));
}

function forwardsUsr1({ config, preset }: SignalTargets): boolean {
  if (config.usr1 !== "auto") return config.usr1 === "forward";
  return preset.usr1 !== "ignore";
}

/** The kernel takes the terminal away from a session when it is hung up: tty_nr becomes 0. */
function hasTerminal(): boolean {
  return (processStat("self")?.terminal ?? 0) !== 0;
}
