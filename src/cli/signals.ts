/**
 * Signals to `baton run`, and what they mean (docs/signals.md).
 *
 * HUP reloads; USR2 upgrades baton itself. TERM, INT and QUIT stop gracefully; the second time
 * without waiting, the third at once. USR1 reopens baton's log and goes to the server if that knows it. A HUP that comes because
 * the terminal was closed is not a reload: it stops the service, as any program in a terminal stops.
 */
import type { Config } from "../config/config.ts";
import type { Preset } from "../config/presets.ts";
import { signalNumber } from "../config/signals.ts";
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
  const { platform, supervisor, logger, ignoresHangup } = targets;
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
  const removers = [
    platform.runtime.onSignal("SIGHUP", () => reload()),
    platform.runtime.onSignal("SIGUSR2", () => {
      logger.info("SIGUSR2: upgrade");
      supervisor.upgrade();
    }),
    ...["SIGTERM", "SIGINT", "SIGQUIT"].map((signal) =>
      platform.runtime.onSignal(signal, () => stop(signal))
    ),
    platform.runtime.onSignal("SIGUSR1", () => {
      logger.reopen();
      if (forwardsUsr1(targets)) supervisor.forward(signalNumber("SIGUSR1"));
    }),
  ];
  return () => removers.forEach((remove) => remove());
}

function forwardsUsr1({ config, preset }: SignalTargets): boolean {
  if (config.usr1 !== "auto") return config.usr1 === "forward";
  return preset.usr1 !== "ignore";
}

/** The kernel takes the terminal away from a session when it is hung up: tty_nr becomes 0. */
function hasTerminal(): boolean {
  return (processStat("self")?.terminal ?? 0) !== 0;
}
