/**
 * Whether a connection is busy or idle, as seen from outside the server. Pure.
 *
 * An answer is owed while the last byte on the wire came from the client (order.ts), or while data waits in a queue. Where
 * it is not known who was last, both in one tick of the clock, the state is unknown for `AMBIGUOUS_QUIET_MS`; and where the
 * server may have sent no more than TLS tickets (handshake.ts).
 *
 * When the server sent the last byte, the answer may be complete or just pausing. `judge()` uses several samples
 * (track.ts) to tell. What it cannot tell is undecided, until the silence is longer than pauses are.
 */
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket, TcpTraffic } from "../platform/network/sock_diag.ts";
import { mayBeTickets } from "./handshake.ts";
import { ASK_MODE_MS, lastSender, mayNeedMode } from "./order.ts";
import { awaitsBody, isBeingWritten, mostPauseMs, type Track } from "./track.ts";

export type Activity = "busy" | "idle" | "closing";

/** For how long a connection counts as busy when its last send and receive cannot be ordered. */
export const AMBIGUOUS_QUIET_MS = 10_000;
/** How long a server that speaks first may take, a look-up of the client's name included. */
export const GREETING_MS = 2_000;
/** After this silence a connection is idle: answers do not pause for so long. */
const SURELY_IDLE_MS = 10_000;

export interface Judgement {
  /** Busy: an answer is owed. Undecided: it is unknown whether one is. */
  readonly activity: Activity | "undecided";
  readonly blocksDrain: boolean;
  /** For how long it will still be waited for if nothing moves; missing: busy, so that is not known. */
  readonly waitMs?: number;
}

type SampledSocket = Pick<TcpSocket, "state" | "receiveQueue" | "sendQueue" | "traffic">;

/**
 * Judges by one sample: undecided connections are busy until nothing has moved for `quietMs`, then idle. Whether there is TLS
 * at the port is for a look at all of them.
 */
export function classify(socket: SampledSocket, quietMs: number): Activity {
  const { activity, blocksDrain } = judge(socket, quietMs, null, true);
  if (activity === "closing") return activity;
  return blocksDrain ? "busy" : "idle";
}

/**
 * Judges by several samples.
 * @param track of the same connection, including this sample
 * @param isPlain there is no TLS at its port (handshake.ts)
 */
export function judge(
  socket: SampledSocket,
  quietMs: number,
  track: Track | null = null,
  isPlain = false,
): Judgement {
  if (isClosing(socket)) return { activity: "closing", blocksDrain: false };
  const { traffic } = socket;
  const sender = lastSender(socket, track);
  if (sender === "client" || traffic === null) return BUSY;
  const silentMs = silenceOf(traffic);
  if (track !== null && (awaitsBody(track) || isBeingWritten(track, silentMs))) return BUSY;
  const untilMs = Math.max(
    quietMs,
    sender === null ? GREETING_MS : 0,
    track === null ? 0 : mostPauseMs(track),
  );
  const isUnordered = sender === "unknown" ||
    (sender === "server" && !isPlain && mayBeTickets(traffic));
  const orderedMs = isUnordered ? AMBIGUOUS_QUIET_MS : 0;
  if (silentMs < Math.max(untilMs, orderedMs)) {
    const mayTell = track !== null && mayNeedMode(socket, track);
    const waitMs = Math.max(untilMs, mayTell ? ASK_MODE_MS : orderedMs) - silentMs;
    return { activity: "undecided", blocksDrain: true, waitMs };
  }
  // Later, a client that has sent nothing and received nothing is owed nothing.
  const isIdle = sender === null || silentMs >= SURELY_IDLE_MS;
  return { activity: isIdle ? "idle" : "undecided", blocksDrain: false };
}

const BUSY: Judgement = { activity: "busy", blocksDrain: true };

function isClosing({ state }: SampledSocket): boolean {
  return state !== C.TCP_ESTABLISHED && state !== C.TCP_CLOSE_WAIT;
}

function silenceOf({ sinceSentMs, sinceReceivedMs }: TcpTraffic): number {
  return Math.min(sinceSentMs, sinceReceivedMs);
}
