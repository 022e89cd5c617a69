/**
 * What several looks at one connection tell about it that a single look cannot: does the server send without being
 * asked, and with which pauses; has it said no more than *100 Continue*. Pure.
 *
 * A look shows when the last byte went each way, and how many there were. A server that has sent again although the
 * client has not is in the middle of something: an answer in pieces, an event stream, a WebSocket. The silence that
 * came before that is a pause that this connection is known to have.
 *
 * Before the first look only this is known: the server last sent so long after the client did (`mayPauseMs`). That is
 * the time one answer took, or the age of a stream; and then no pause in it was longer. A silence that is shorter may
 * be one of its pauses.
 */
import type { TcpSocket } from "../platform/network/sock_diag.ts";

/** One connection, as it was at the latest look, and what was seen of it up to then. Times are on one clock. */
export interface Track {
  readonly atMs: number;
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  /** By the server, acknowledged or not. */
  readonly bytesWritten: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  /** It is at least as old. */
  readonly bornAtMs: number;
  /** The last byte was the client's, or may have been: both in one tick. */
  readonly isOwed: boolean;
  readonly first: FirstSample;
  /** Bytes of the latest request, and of what the server has sent since; of all of them before the second look. */
  readonly asked: number;
  readonly answered: number;
  /** Looks at which the server had sent again, since the client last did, and since the first look. */
  readonly pushes: number;
  readonly allPushes: number;
  /** Longest silence that was seen to end with such a sending. */
  readonly pauseMs: number;
  /** No pause of what was sent before the first look was longer. */
  readonly mayPauseMs: number;
  /** Most bytes that came in between two looks; 0: none came. */
  readonly largestAsked: number;
}

export interface FirstSample {
  readonly atMs: number;
  readonly bytesAcked: number;
  readonly bytesReceived: number;
}

/**
 * The whole of what a server says to `Expect: 100-continue`: *HTTP/1.1 100 Continue* and an empty line, with or
 * without the reason. No whole answer of HTTP is as short. A request with that header is longer than `LEAST_EXPECTING`.
 */
const CONTINUES: readonly number[] = [25, 17];
const LEAST_EXPECTING = 60;
/** A pause that was seen is known to within the time between two looks. */
const LOOK_MS = 250;
/** A pause may be so many times as long as the longest one that was seen... */
const PATIENCE = 2;
/** ...and of a stream that was seen for long enough, so many times. */
const LONG_PATIENCE = 8;
const ENOUGH_PUSHES = 4;
/** An event stream: small messages, more than a few of them. */
const STREAM_PUSHES = 5;
const STREAM_BYTES_PER_SECOND = 1_000;
/** What a client says on a WebSocket by itself (a pong). A request of HTTP is longer. */
const MOST_SMALL_TALK = 60;

type Looked = Pick<TcpSocket, "receiveQueue" | "sendQueue" | "traffic">;

/** @param atMs of this look, on any clock that goes on @returns null where the kernel tells nothing */
export function follow(before: Track | null, socket: Looked, atMs: number): Track | null {
  const { traffic, sendQueue, receiveQueue } = socket;
  if (traffic === null) return before;
  const { bytesAcked, bytesReceived, sinceSentMs, sinceReceivedMs, sinceAckMs } = traffic;
  const bytesWritten = bytesAcked + sendQueue;
  const isTie = sinceReceivedMs === sinceSentMs && sinceAckMs >= sinceReceivedMs;
  const isOwed = receiveQueue > 0 ||
    (bytesReceived > 0 && (bytesWritten === 0 || sinceReceivedMs < sinceSentMs || isTie));
  const now = {
    ...{ atMs, bytesAcked, bytesReceived, bytesWritten, isOwed },
    sentAtMs: atMs - sinceSentMs,
    receivedAtMs: atMs - sinceReceivedMs,
  };
  // Between the last byte that came in and the last that went out.
  const { segmentsSent = Infinity, segmentsReceived = 0 } = traffic;
  // No answer was in more than one piece: then it took so long to begin.
  const isWhole = bytesReceived > 0 && segmentsSent <= segmentsReceived;
  const lagMs = isOwed || isWhole || bytesWritten === 0
    ? 0
    : Math.max(0, sinceReceivedMs - sinceSentMs);
  if (before === null) {
    return {
      ...now,
      bornAtMs: atMs - Math.max(sinceSentMs, sinceReceivedMs),
      first: { atMs, bytesAcked, bytesReceived },
      asked: bytesReceived,
      answered: bytesWritten,
      ...{ pushes: 0, allPushes: 0, pauseMs: 0, mayPauseMs: lagMs, largestAsked: 0 },
    };
  }
  return { ...before, ...now, ...news(before, now, lagMs) };
}

type Now = Pick<Track, "atMs" | "bytesReceived" | "bytesWritten" | "sentAtMs">;

/** What has happened since the look before. */
function news(before: Track, now: Now, lagMs: number): Partial<Track> {
  const received = now.bytesReceived - before.bytesReceived;
  const sent = now.bytesWritten - before.bytesWritten;
  if (received > 0) {
    // More of the same request, if nothing was said to it yet.
    const isMore = before.isOwed && sent === 0;
    return {
      asked: isMore ? before.asked + received : received,
      answered: isMore ? before.answered : sent,
      pushes: 0,
      mayPauseMs: Math.max(before.mayPauseMs, lagMs),
      largestAsked: Math.max(before.largestAsked, received),
    };
  }
  if (sent <= 0) return {};
  const answered = before.answered + sent;
  // It was seen to be owed: this is how the answer begins.
  if (before.isOwed) return { answered: sent, pushes: 0 };
  return {
    answered,
    pushes: before.pushes + 1,
    allPushes: before.allPushes + 1,
    pauseMs: Math.max(before.pauseMs, before.atMs - before.sentAtMs),
    mayPauseMs: Math.max(before.mayPauseMs, now.sentAtMs - before.sentAtMs),
  };
}

/** The server has asked for the rest of a request, and the client has not begun with it. */
export function awaitsBody({ asked, answered }: Track): boolean {
  return asked >= LEAST_EXPECTING && CONTINUES.includes(answered);
}

/** The server is in the middle of sending something: this silence is one of its pauses. */
export function isBeingWritten(track: Track, silentMs: number): boolean {
  const { pushes, pauseMs } = track;
  if (pushes === 0) return false;
  return silentMs < PATIENCE * pauseMs + LOOK_MS || (pushes > 1 && mayPause(track, silentMs));
}

/** This silence may be a pause in what the server sends. */
export function mayPause({ pushes, pauseMs, mayPauseMs }: Track, silentMs: number): boolean {
  const longest = pushes < ENOUGH_PUSHES ? Infinity : LONG_PATIENCE * (pauseMs + LOOK_MS);
  return silentMs < Math.min(mayPauseMs, longest);
}

export interface DrainSpan {
  readonly atMs: number;
  readonly beganAtMs: number;
  readonly drainMs: number;
}

/**
 * It is no request that will be finished, but a stream: what the server sends has lasted longer than a whole drain may,
 * or it is many small messages that began before the drain. Those are to be closed one by one.
 */
export function isLongLived(track: Track, { atMs, beganAtMs, drainMs }: DrainSpan): boolean {
  const { allPushes, isOwed, largestAsked, receivedAtMs, bornAtMs } = track;
  if (isOwed || allPushes < PATIENCE || largestAsked > MOST_SMALL_TALK) return false;
  const sinceMs = largestAsked === 0 ? receivedAtMs : bornAtMs;
  if (atMs - sinceMs > drainMs) return true;
  const { first } = track;
  const rate = (track.bytesWritten - first.bytesAcked) * 1_000 / Math.max(1, atMs - first.atMs);
  return sinceMs < beganAtMs && allPushes >= STREAM_PUSHES && rate < STREAM_BYTES_PER_SECOND;
}
