/**
 * Is a connection busy or idle, as seen from outside the server? Pure.
 *
 * An answer is owed while the last byte that moved came from the client, or anything waits in a
 * queue. The kernel's time stamps have the resolution of its tick (HZ=250: 4 ms); when the last send
 * and the last receive fall into one tick their order is not known. Then two things decide: an answer
 * that was seen to go out after the last byte came in (`earlier`), or an acknowledgement that came
 * later than any data. Without either it is not known for `AMBIGUOUS_QUIET_MS`.
 *
 * When the last byte was the server's, an answer may be whole, or pause. `judge()` says what is known of that from
 * several looks (track.ts). What is not known is called undecided, until the silence is longer than pauses are.
 */
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket, TcpTraffic } from "../platform/network/sock_diag.ts";
import { awaitsBody, isBeingWritten, mayPause, type Track } from "./track.ts";

export type Activity = "busy" | "idle" | "closing";

/** How long a connection whose last send and receive cannot be ordered is waited for. */
export const AMBIGUOUS_QUIET_MS = 10_000;
/** Answers do not pause for so long. */
export const SURELY_IDLE_MS = 10_000;

/** Requests that were answered alike. */
const REGULAR_TURNS = 3;

/** Traffic counters of the same connection, when it was first looked at. */
export interface EarlierSample {
  readonly bytesAcked: number;
  readonly bytesReceived: number;
}

export interface Judgement {
  /** Busy: something is owed. Undecided: that is not known. */
  readonly activity: Activity | "undecided";
  /** A drain waits for it. */
  readonly blocksDrain: boolean;
}

type Looked = Pick<TcpSocket, "state" | "receiveQueue" | "sendQueue" | "traffic">;

/** Who sent the last byte; "unknown": both in one tick; null: nobody has sent any. */
type LastSender = "client" | "server" | "unknown" | null;

/**
 * What a single look says: undecided ones are idle when they are quiet, and busy until then.
 *
 * @param quietMs a connection is idle when nothing moved on it for this long and nothing is owed
 * @param earlier what an earlier look at the same connection found, if there was one
 */
export function classify(
  socket: Looked,
  quietMs: number,
  earlier: EarlierSample | null = null,
): Activity {
  if (isClosing(socket)) return "closing";
  const { traffic } = socket;
  const word = lastWord(socket, earlier);
  if (word === "client" || traffic === null) return "busy";
  return silenceOf(traffic) >= (word === "unknown" ? AMBIGUOUS_QUIET_MS : quietMs)
    ? "idle"
    : "busy";
}

/** What is known after several looks. @param track of the same connection, this look included */
export function judge(socket: Looked, quietMs: number, track: Track | null = null): Judgement {
  if (isClosing(socket)) return { activity: "closing", blocksDrain: false };
  const { traffic } = socket;
  const word = lastWord(socket, track?.first ?? null);
  if (word === "client" || traffic === null) return BUSY;
  const silentMs = silenceOf(traffic);
  if (track !== null && (awaitsBody(track) || isBeingWritten(track, silentMs))) return BUSY;
  const isUnknown = word === "unknown" && silentMs < AMBIGUOUS_QUIET_MS;
  const isPause = track !== null && mayPause(track, silentMs);
  if (silentMs < quietMs || isUnknown || isPause) {
    return { activity: "undecided", blocksDrain: true };
  }
  // Who has asked for nothing, and was told nothing, is owed nothing.
  const isIdle = word === null || silentMs >= SURELY_IDLE_MS || isRegular(traffic);
  return { activity: isIdle ? "idle" : "undecided", blocksDrain: false };
}

const BUSY: Judgement = { activity: "busy", blocksDrain: true };

function isClosing({ state }: Looked): boolean {
  return state !== C.TCP_ESTABLISHED && state !== C.TCP_CLOSE_WAIT;
}

function silenceOf({ sinceSentMs, sinceReceivedMs }: TcpTraffic): number {
  return Math.min(sinceSentMs, sinceReceivedMs);
}

/** Each request was answered in as many pieces: none is missing now. */
function isRegular({ segmentsSent = 0, segmentsReceived = 0 }: TcpTraffic): boolean {
  return segmentsReceived >= REGULAR_TURNS && segmentsSent >= segmentsReceived &&
    segmentsSent % segmentsReceived === 0;
}

/** What waits in a queue counts as the client's: it is owed. */
function lastWord(socket: Looked, earlier: EarlierSample | null): LastSender {
  const { traffic, receiveQueue, sendQueue } = socket;
  if (receiveQueue > 0 || sendQueue > 0 || traffic === null) return "client";
  if (traffic.bytesReceived === 0) return traffic.bytesAcked === 0 ? null : "server";
  if (traffic.bytesAcked === 0 || traffic.sinceReceivedMs < traffic.sinceSentMs) return "client";
  if (traffic.sinceSentMs < traffic.sinceReceivedMs) return "server";
  const answeredSince = earlier !== null && earlier.bytesReceived === traffic.bytesReceived &&
    traffic.bytesAcked > earlier.bytesAcked;
  const acknowledgedLater = traffic.sinceAckMs < traffic.sinceReceivedMs;
  return answeredSince || acknowledgedLater ? "server" : "unknown";
}
