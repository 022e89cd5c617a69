/**
 * Which signals ask baton to stop, and how many requests a row of them is. Pure.
 *
 * One Ctrl-C can be two signals: the terminal sends INT to its whole foreground group, and a manager in that group
 * sends its children one more: TERM (foreman, 0.33 s later [measured, 0.87.2]) or INT (timeout 0.2 ms, concurrently
 * and nodemon 0.12 to 0.15 s [measured, 9.1.0, 3.1.7]). npm, make, tini -g and shells send none; honcho keeps
 * its children away from the terminal.
 *
 * - INT and TERM within two seconds, in either order, are one request.
 * - A second INT comes from the manager, if baton's process group has one and the signal comes soon; else from a
 *   person who presses the key again. Without a manager only a key that is held down repeats fast.
 * - Two TERMs are two requests: no terminal sends TERM, and managers send it once per request.
 * - QUIT is always a request of its own: it is typed, and no manager derives a signal from it.
 *
 * A request has at most one echo: the signal after that is a new request.
 */
import type { SignalName, StopSignal } from "../../config/values/signals.ts";
import type { Config } from "../../config/config.ts";

const ECHO_MS = 2000;
/**
 * An INT of a manager comes within this time after the terminal's. Generous, for a busy machine: a lost HTTP request is
 * worse than a key that must be pressed once more.
 */
const MANAGER_INT_MS = 1000;
/** A second INT within this time is a key that is held down: twice its interval of repetition. */
const KEY_REPEAT_MS = 70;

interface StopSignalArrival {
  readonly signal: StopSignal;
  readonly atMs: number;
  /** A process above baton in its process group receives the terminal's signals, too, and may forward them. */
  readonly hasManager: boolean;
}

export class StopRequests {
  #latest: { first: StopSignalArrival; last: StopSignalArrival; hadEcho: boolean } | null = null;

  /** @returns whether the signal is a request; false: an echo, or a key that is held down */
  isNew(arrival: StopSignalArrival): boolean {
    const latest = this.#latest;
    if (latest !== null && isRepeat(latest.last, arrival)) {
      this.#latest = { ...latest, last: arrival };
      return false;
    }
    if (latest !== null && !latest.hadEcho && isEcho(latest.first, arrival)) {
      this.#latest = { ...latest, last: arrival, hadEcho: true };
      return false;
    }
    this.#latest = { first: arrival, last: arrival, hadEcho: false };
    return true;
  }
}

function isRepeat(last: StopSignalArrival, arrival: StopSignalArrival): boolean {
  return last.signal === "SIGINT" && arrival.signal === "SIGINT" &&
    arrival.atMs - last.atMs < KEY_REPEAT_MS;
}

function isEcho(first: StopSignalArrival, arrival: StopSignalArrival): boolean {
  const [one, other] = [first.signal, arrival.signal];
  if (one === "SIGQUIT" || other === "SIGQUIT") return false;
  const afterMs = arrival.atMs - first.atMs;
  if (one !== other) return afterMs < ECHO_MS;
  return one === "SIGINT" && arrival.hasManager && afterMs < MANAGER_INT_MS;
}

/** Stops a systemd that is process 1. systemd(1), "Signals" */
const HALT: SignalName = "SIGRTMIN+3";

export interface SignalUses {
  /** Baton's log, which USR1 reopens. */
  readonly logFile: Config["logFile"];
  /** The server receives USR1 and WINCH. */
  readonly forwards: { readonly usr1: boolean; readonly winch: boolean };
  /** The kernel sends WINCH when the window of a terminal changes: `docker run -t`. */
  readonly hasTerminal: boolean;
}

/**
 * What stops baton as process 1 besides TERM, INT, QUIT and `--stop-on`.
 *
 * `docker stop` sends the STOPSIGNAL of the image, which `FROM` inherits: USR1 (haproxy), WINCH (httpd), RTMIN+3
 * (images with systemd). A signal without another use here can only be that one. A baton that ignored it would be
 * killed ten seconds later, with every request in flight.
 */
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
