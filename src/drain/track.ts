/**
 * What several samples of one connection tell that a single one cannot: whether the server sends without being asked,
 * how long it pauses between sends, and whether it has said no more than *100 Continue*. Pure.
 *
 * A server that has sent again while the client has not is in the middle of something: an answer in parts, an event
 * stream, a WebSocket. The silence before that send is a pause that this connection is known to have. About the time
 * before the first sample only one thing is known: how long after the client the server last sent (`mayPauseMs`): the
 * time one answer took, or the age of a stream in which no pause was longer.
 */
import type { TcpSocket } from "../platform/network/sock_diag.ts";

/** One connection at its latest sample, and what earlier ones have shown. All times are on one clock. */
export interface Track {
  readonly atMs: number;
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  /** Bytes that the server has sent, acknowledged or not. */
  readonly bytesWritten: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  /** A time before which the connection existed: it is at least as old. */
  readonly bornAtMs: number;
  /** The last byte was the client's, or may have been: both in one tick. */
  readonly isOwed: boolean;
  readonly first: FirstSample;
  /** Bytes of the latest request and of what the server has sent since; of all traffic until the second sample. */
  readonly asked: number;
  readonly answered: number;
  /** Samples at which the server had sent again: since the client last did, and since the first sample. */
  readonly pushes: number;
  readonly allPushes: number;
  /** Longest silence that ended with such a send. */
  readonly pauseMs: number;
  /** No pause before the first sample was longer. */
  readonly mayPauseMs: number;
  /** Most bytes that came in between two samples. */
  readonly largestAsked: number;
  /** When it was last asked whether the kernel has it in interactive mode (order.ts), and when it was last seen to be. */
  readonly modeAskedAtMs: number;
  readonly interactiveAtMs: number | null;
}

interface FirstSample {
  readonly atMs: number;
  readonly bytesAcked: number;
  /** Bytes that the server has sent, acknowledged or not. */
  readonly bytesWritten: number;
  readonly bytesReceived: number;
  readonly segmentsReceived?: number | undefined;
  readonly acksSent?: number | undefined;
}

/**
 * Lengths of a server's reaction to `Expect: 100-continue`: *HTTP/1.1 100 Continue* and an empty line, with or without
 * the reason phrase. No complete HTTP answer is as short. A request with that header is longer than `LEAST_EXPECTING`.
 */
const CONTINUES: readonly number[] = [25, 17];
const LEAST_EXPECTING = 60;
/** Pauses are measured to within the time between two samples. */
const SAMPLE_MS = 250;
/** A pause may be this many times as long as the longest one so far... */
const PATIENCE = 2;
/** ...and in a stream with enough sends, this many times. */
const LONG_PATIENCE = 8;
const ENOUGH_PUSHES = 4;
/** An event stream: small messages, more than a few of them. */
const STREAM_PUSHES = 5;
const STREAM_BYTES_PER_SECOND = 1_000;
/** A client's own message on a WebSocket (a pong) is this long at most. An HTTP request is longer. */
const MOST_SMALL_TALK = 60;

type SampledSocket = Pick<TcpSocket, "receiveQueue" | "sendQueue" | "traffic">;

/** @param atMs of this sample, on a monotonic clock @returns null when the kernel reports no traffic */
export function follow(before: Track | null, socket: SampledSocket, atMs: number): Track | null {
  const { traffic, sendQueue, receiveQueue } = socket;
  if (traffic === null) return before;
  const { bytesAcked, bytesReceived, sinceSentMs, sinceReceivedMs, sinceAckMs } = traffic;
  const bytesWritten = bytesAcked + sendQueue;
  const isTie = sinceReceivedMs === sinceSentMs && sinceAckMs >= sinceReceivedMs;
  const isOwed = receiveQueue > 0 ||
    (bytesReceived > 0 && (bytesWritten === 0 || sinceReceivedMs < sinceSentMs || isTie));
  const now = {
    atMs,
    bytesAcked,
    bytesReceived,
    bytesWritten,
    isOwed,
    sentAtMs: atMs - sinceSentMs,
    receivedAtMs: atMs - sinceReceivedMs,
  };
  // A look that takes long finds ages later than they were.
  if (bytesWritten === before?.bytesWritten) now.sentAtMs = Math.min(before.sentAtMs, now.sentAtMs);
  if (bytesReceived === before?.bytesReceived) {
    now.receivedAtMs = Math.min(before.receivedAtMs, now.receivedAtMs);
  }
  const { segmentsSent = Infinity, segmentsReceived = 0, acksSent } = traffic;
  // Each answer was one segment: the lag is the time until it began, not a pause in it.
  const isWhole = bytesReceived > 0 && segmentsSent <= segmentsReceived;
  const lagMs = isOwed || isWhole || bytesWritten === 0
    ? 0
    : Math.max(0, sinceReceivedMs - sinceSentMs);
  if (before === null) {
    return {
      ...now,
      bornAtMs: atMs - Math.max(sinceSentMs, sinceReceivedMs),
      first: {
        atMs,
        bytesAcked,
        bytesWritten,
        bytesReceived,
        segmentsReceived: traffic.segmentsReceived,
        acksSent,
      },
      asked: bytesReceived,
      answered: bytesWritten,
      pushes: 0,
      allPushes: 0,
      pauseMs: 0,
      mayPauseMs: lagMs,
      largestAsked: 0,
      modeAskedAtMs: -Infinity,
      interactiveAtMs: null,
    };
  }
  return { ...before, ...now, ...changes(before, now, lagMs) };
}

type Now = Pick<Track, "atMs" | "bytesReceived" | "bytesWritten" | "sentAtMs">;

function changes(before: Track, now: Now, lagMs: number): Partial<Track> {
  const received = now.bytesReceived - before.bytesReceived;
  const sent = now.bytesWritten - before.bytesWritten;
  if (received > 0) {
    // More of the same request, if the server has not reacted yet.
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
  // An answer was owed until now: this is its start.
  if (before.isOwed) return { answered: sent, pushes: 0 };
  return {
    answered,
    pushes: before.pushes + 1,
    allPushes: before.allPushes + 1,
    pauseMs: Math.max(before.pauseMs, before.atMs - before.sentAtMs),
    mayPauseMs: Math.max(before.mayPauseMs, now.sentAtMs - before.sentAtMs),
  };
}

/** Whether the server has asked for the body of a request (100 Continue), and the client has not started to send it. */
export function awaitsBody({ asked, answered }: Track): boolean {
  return asked >= LEAST_EXPECTING && CONTINUES.includes(answered);
}

/** Whether the server is in the middle of an answer: this silence is one of its pauses. */
export function isBeingWritten(track: Track, silentMs: number): boolean {
  const { pushes, pauseMs } = track;
  if (pushes === 0) return false;
  return silentMs < PATIENCE * pauseMs + SAMPLE_MS || (pushes > 1 && mayPause(track, silentMs));
}

/** Whether this silence may be a pause in what the server sends. */
export function mayPause(track: Track, silentMs: number): boolean {
  return silentMs < mostPauseMs(track);
}

/** The longest silence that may still be a pause in what the server sends. */
export function mostPauseMs({ pushes, pauseMs, mayPauseMs }: Track): number {
  const longest = pushes < ENOUGH_PUSHES ? Infinity : LONG_PATIENCE * (pauseMs + SAMPLE_MS);
  return Math.min(mayPauseMs, longest);
}

/**
 * Whether this is not a request that will finish but a stream: the server has been sending for longer than a whole
 * drain may take, or has sent many small messages since before the drain. Streams are closed one by one at the end of a
 * drain.
 */
export function isLongLived(
  track: Track,
  atMs: number,
  { beganAtMs, endsAtMs }: { readonly beganAtMs: number; readonly endsAtMs: number },
): boolean {
  const { allPushes, isOwed, largestAsked, receivedAtMs, bornAtMs } = track;
  if (isOwed || allPushes < PATIENCE || largestAsked > MOST_SMALL_TALK) return false;
  const sinceMs = largestAsked === 0 ? receivedAtMs : bornAtMs;
  if (atMs - sinceMs > endsAtMs - beganAtMs) return true;
  const { first } = track;
  const rate = (track.bytesWritten - first.bytesAcked) * 1_000 / Math.max(1, atMs - first.atMs);
  return sinceMs < beganAtMs && allPushes >= STREAM_PUSHES && rate < STREAM_BYTES_PER_SECOND;
}
