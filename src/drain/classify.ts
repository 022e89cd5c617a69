/**
 * Is a connection busy or idle, as seen from outside the server? Pure.
 *
 * An answer is owed while the last byte that moved came from the client, or anything waits in a
 * queue. The kernel's time stamps have the resolution of its tick (HZ=250: 4 ms); when the last send
 * and the last receive fall into one tick their order is not known. Then two things decide: an answer
 * that was seen to go out after the last byte came in (`earlier`), or an acknowledgement that came
 * later than any data. Without either the connection counts as busy for `AMBIGUOUS_QUIET_MS`:
 * waiting too long costs memory, signalling too early costs a request.
 *
 * What cannot be known from outside: a server that sends part of an answer and then pauses for longer
 * than `quietMs` looks idle. docs/restart.md says so; `--quiet` is the remedy.
 */
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket } from "../platform/sock_diag.ts";

export type Activity = "busy" | "idle" | "closing";

/** How long a connection whose last send and receive cannot be ordered counts as busy. */
export const AMBIGUOUS_QUIET_MS = 10_000;

/** Traffic counters of the same connection, when it was first looked at. */
export interface EarlierLook {
  readonly bytesAcked: number;
  readonly bytesReceived: number;
}

/**
 * @param quietMs a connection is idle when nothing moved on it for this long and nothing is owed
 * @param earlier what an earlier look at the same connection found, if there was one
 */
export function classify(
  socket: Pick<TcpSocket, "state" | "receiveQueue" | "sendQueue" | "traffic">,
  quietMs: number,
  earlier: EarlierLook | null = null,
): Activity {
  if (socket.state !== C.TCP_ESTABLISHED && socket.state !== C.TCP_CLOSE_WAIT) return "closing";
  if (socket.receiveQueue > 0 || socket.sendQueue > 0) return "busy";
  const { traffic } = socket;
  if (traffic === null) return "busy";
  const quietForMs = Math.min(traffic.sinceSentMs, traffic.sinceReceivedMs);
  const idleAfter = (limitMs: number) => (quietForMs >= limitMs ? "idle" : "busy");
  if (traffic.bytesReceived === 0) return idleAfter(quietMs);
  if (traffic.bytesAcked === 0) return "busy";
  if (traffic.sinceReceivedMs < traffic.sinceSentMs) return "busy";
  if (traffic.sinceSentMs < traffic.sinceReceivedMs) return idleAfter(quietMs);
  const answeredSince = earlier !== null && earlier.bytesReceived === traffic.bytesReceived &&
    traffic.bytesAcked > earlier.bytesAcked;
  const acknowledgedLater = traffic.sinceAckMs < traffic.sinceReceivedMs;
  return idleAfter(answeredSince || acknowledgedLater ? quietMs : AMBIGUOUS_QUIET_MS);
}
