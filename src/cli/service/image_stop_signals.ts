/**
 * What stops baton as process 1 besides TERM, INT, QUIT and `--stop-on`. Pure.
 *
 * `docker stop` sends the STOPSIGNAL of the image, which `FROM` brings along: USR1 (haproxy), WINCH (httpd), RTMIN+3
 * (images with systemd). A signal that has no other use in this place can only be that one, and a baton that ignored it
 * would be killed ten seconds later with every request in flight.
 */
import type { SignalName } from "../../config/values/signals.ts";
import type { Config } from "../../config/config.ts";

/** What asks a systemd that is process 1 to stop. systemd(1), "Signals" */
const HALT: SignalName = "SIGRTMIN+3";

export interface SignalUses {
  /** The log of baton, which USR1 reopens. */
  readonly logFile: Config["logFile"];
  /** The server gets USR1 and WINCH. */
  readonly forwards: { readonly usr1: boolean; readonly winch: boolean };
  /** The kernel sends WINCH when the window of a terminal changes: `docker run -t`. */
  readonly hasTerminal: boolean;
}

/** @returns in addition to those of the configuration */
export function imageStopSignals(
  pid: number,
  { logFile, forwards, hasTerminal }: SignalUses,
): SignalName[] {
  if (pid !== 1) return [];
  const signals = [HALT];
  if (logFile === null && !forwards.usr1) signals.push("SIGUSR1");
  if (!hasTerminal && !forwards.winch) signals.push("SIGWINCH");
  return signals;
}
