/**
 * Signals to `baton run`, and what they mean (docs/signals.md).
 *
 * HUP reloads; USR2 upgrades baton itself; TTIN adds a worker, TTOU takes one away. The first TERM, INT or QUIT stops
 * gracefully, the second without waiting, the third at once (stop_requests.ts tells what counts as one). The signals of
 * `--stop-on` stop too, whatever else they would mean, and so do those of an image for process 1. USR1 reopens baton's
 * log and goes to the server if that knows it. A HUP that comes because the terminal was closed is not a reload: it stops
 * the service, like any program in a terminal.
 */
import { type SignalName, STOP_SIGNALS } from "../../config/values/signals.ts";
import type { Pod } from "../../pod/pod.ts";
import type { SupervisorOptions } from "../../supervisor/options.ts";
import { reopenSignal } from "../../supervisor/policy.ts";
import type { Supervisor } from "../../supervisor/supervisor.ts";
import type { ServiceSetup } from "./service_setup.ts";
import { catchStopOn, hasTerminal, Stopper, stopSignalsOf } from "./stop_signals.ts";

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
