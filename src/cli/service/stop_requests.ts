/**
 * How many wishes a row of stop signals is. Pure.
 *
 * One Ctrl-C can be two signals: the terminal sends INT to its whole foreground group, and a manager in that group
 * sends one more to its children, TERM (foreman, 0.33 s later [measured, 0.87.2]) or INT (timeout 0.2 ms, concurrently
 * and nodemon 0.12 to 0.15 s [measured, 9.1.0, 3.1.7]). npm, make, tini -g and shells send none; honcho keeps
 * its children away from the terminal.
 *
 * - INT and TERM are one wish within two seconds, in either order.
 * - A second INT is the manager's, or a person who presses again. Where it is known that the terminal has sent it,
 *   it is a person. Where nothing is known it is the manager's, if there is one in baton's own process group, and it
 *   comes soon. Without one only a key that is held down repeats fast.
 * - TERM and TERM are two: no terminal sends TERM, and managers send it once for each wish of theirs.
 * - QUIT is typed, and no manager makes one of something else: it stands for itself.
 * - What comes from another session is meant: somebody has sent it, by kill(1).
 *
 * A wish has one echo at the most: the signal after that is a new one.
 */
import type { StopSignal } from "../../config/values/signals.ts";

const ECHO_MS = 2000;
/** Some time for a busy machine: a request that is cut is worse than a key that must be pressed once more. */
const MANAGER_INT_MS = 1000;
/** Twice what a held key takes from one to the next. */
const KEY_REPEAT_MS = 70;

/** Who has sent a signal, as far as is known: the terminal's own key, or a process of another session. */
export type SignalOrigin = "terminal" | "elsewhere" | "unknown";

interface StopSignalArrival {
  readonly signal: StopSignal;
  readonly origin: SignalOrigin;
  readonly atMs: number;
  /** Something above baton in its own process group gets what the terminal sends, too, and may send it on. */
  readonly hasManager: boolean;
}

interface StopRequest {
  readonly first: StopSignalArrival;
  readonly last: StopSignalArrival;
  readonly hadEcho: boolean;
}

export class StopRequests {
  #wish: StopRequest | null = null;

  /** @returns whether this signal is a wish of its own, and neither an echo nor a key that is held down */
  isNew(arrival: StopSignalArrival): boolean {
    const wish = this.#wish;
    if (wish !== null && isRepeat(wish.last, arrival)) {
      this.#wish = { ...wish, last: arrival };
      return false;
    }
    if (wish !== null && !wish.hadEcho && isEcho(wish.first, arrival)) {
      this.#wish = { ...wish, last: arrival, hadEcho: true };
      return false;
    }
    this.#wish = { first: arrival, last: arrival, hadEcho: false };
    return true;
  }
}

function isRepeat(last: StopSignalArrival, arrival: StopSignalArrival): boolean {
  return last.signal === "SIGINT" && arrival.signal === "SIGINT" &&
    arrival.origin !== "elsewhere" && arrival.atMs - last.atMs < KEY_REPEAT_MS;
}

function isEcho(first: StopSignalArrival, arrival: StopSignalArrival): boolean {
  if (arrival.origin === "elsewhere" || first.origin === "elsewhere") return false;
  const [one, other] = [first.signal, arrival.signal];
  if (one === "SIGQUIT" || other === "SIGQUIT") return false;
  const afterMs = arrival.atMs - first.atMs;
  if (one !== other) return afterMs < ECHO_MS;
  if (one !== "SIGINT" || arrival.origin === "terminal") return false;
  if (first.origin === "terminal") return afterMs < ECHO_MS;
  return arrival.hasManager && afterMs < MANAGER_INT_MS;
}
