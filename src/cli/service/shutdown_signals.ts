/**
 * Signals with `--shutdown-only`. All but stop requests go to the server.
 *
 * They are caught before anything else is done, and delivered once there is a server: process 1 would lose a TERM that
 * comes before its handler.
 */
import {
  isStopping,
  SIGNAL_NAMES,
  type SignalName,
  signalNumber,
  STOP_SIGNALS,
} from "../../config/values/signals.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import type { ShutdownService } from "../../pod/shutdown_service.ts";
import { catchStopOn, Stopper, stopSignalsOf } from "./stop_signals.ts";

/**
 * Meant for the process that receives them: faults, its own children, pipes; or they cannot be caught.
 * Bun keeps PWR for its garbage collector, which stops threads with it: no handler is ever called.
 */
const KEPT = /^SIG(KILL|STOP|CHLD|PIPE|STKFLT|PWR|ILL|TRAP|BUS|FPE|SEGV|SYS)$/;
const FORWARDED = SIGNAL_NAMES.filter((name) => !isStopping(name) && !KEPT.test(name));

export class ShutdownSignals {
  readonly #early: SignalName[] = [];
  readonly #stopOn: readonly SignalName[];
  readonly #removers: readonly (() => void)[];
  #handle: (signal: SignalName) => void = (signal) => this.#early.push(signal);

  constructor(readonly platform: Platform, readonly config: Config) {
    // USR1 and WINCH are forwarded: a server knows its image's STOPSIGNAL.
    this.#stopOn = stopSignalsOf(platform, config, { usr1: true, winch: true });
    const others = FORWARDED.filter((name) => !this.#stopOn.includes(name));
    // With its first listener Deno 2.9 sets the actions of HUP, INT and TERM, whichever that listener is for. So those of
    // our own come last.
    this.#removers = [
      ...[...STOP_SIGNALS, ...others].map((signal) =>
        platform.runtime.onSignal(signal, () => this.#handle(signal))
      ),
      ...catchStopOn(platform, this.#stopOn, (signal) => this.#handle(signal)),
    ];
  }

  /** The server has been started: delivers the signals that came before, and from here on each one at once. */
  deliverTo(service: ShutdownService, logger: Logger): void {
    const stopper = new Stopper(this.platform, logger, service.pod);
    this.#handle = (signal) => {
      if (isStopping(signal)) return stopper.onStopSignal(signal);
      if (this.#stopOn.includes(signal)) return stopper.stop(signal);
      if (signal === "SIGTSTP" && service.server.foreground.suspend()) return;
      if (signal === "SIGUSR1") return service.reopenLogs();
      service.server.forward(signalNumber(signal));
    };
    for (const signal of this.#early) this.#handle(signal);
  }

  remove(): void {
    for (const remove of this.#removers) remove();
  }
}
