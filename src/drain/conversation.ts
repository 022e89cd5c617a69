/**
 * May a connection be ended from outside, now, without losing a request? Pure.
 *
 * A connection that was silent for long may always be. One that a client keeps in use never is silent
 * for long; it may be ended in the pause between an answer and the next request. That this is such a
 * pause is concluded from how the connection has behaved while it was watched: several requests were
 * answered, and no answer had a pause in it that was half as long as this one.
 *
 * What this cannot know: a first answer of its kind, sent in parts with a longer pause between them.
 */
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket } from "../platform/sock_diag.ts";
import { classify } from "./classify.ts";

/** Exchanges seen before anything is concluded from them. */
const MIN_TURNS = 2;
/** Shortest silence that counts as a pause: three ticks of a kernel at 250 Hz. */
const MIN_PAUSE_MS = 12;
/** Where the kernel's ticks do not tell which came last, request or answer. */
const MIN_AMBIGUOUS_PAUSE_MS = 20;

/** Of the shortest pause between an answer and the next request: later than this is too late. */
const EARLY_PART = 1 / 2;
const HURRIED_PART = 4 / 5;

/** What was seen of one connection so far. */
export interface Conversation {
  readonly atMs: number;
  readonly bytesReceived: number;
  readonly bytesAcked: number;
  /** When data last went either way, as far as looks can tell. */
  readonly movedAtMs: number;
  /** Something came in since the last counted exchange. */
  readonly hasRequest: boolean;
  readonly turns: number;
  /** Longest silence inside an answer. */
  readonly longestPauseMs: number;
  /** Shortest time seen from an answer to the next request. */
  readonly shortestGapMs: number;
  /** Longest time for which an answer was seen to be owed. */
  readonly longestOwedMs: number;
}

/** @param atMs of this look, on any clock that goes on */
export function follow(
  earlier: Conversation | null,
  socket: TcpSocket,
  atMs: number,
): Conversation {
  const { traffic } = socket;
  if (traffic === null) return earlier ?? unseen(atMs);
  const before = earlier ?? { ...unseen(atMs), ...bytesOf(traffic) };
  const sinceMs = Math.min(traffic.sinceSentMs, traffic.sinceReceivedMs);
  const received = traffic.bytesReceived > before.bytesReceived;
  const sentMore = traffic.bytesAcked > before.bytesAcked;
  const isOwed = socket.receiveQueue > 0 || traffic.sinceReceivedMs < traffic.sinceSentMs;
  const hasRequest = before.hasRequest || received || (earlier === null && isOwed);
  const isTurn = hasRequest && !isOwed && sinceMs >= MIN_PAUSE_MS;
  const movedAtMs = atMs - sinceMs;
  // Sent again without being asked: the answer had a pause in it.
  const silentMs = sentMore && !received && !before.hasRequest ? movedAtMs - before.movedAtMs : 0;
  const pausedMs = silentMs >= MIN_PAUSE_MS ? silentMs : 0;
  // The request after an answer that was seen to be whole.
  const gapMs = earlier !== null && received && !before.hasRequest && before.turns > 0
    ? atMs - traffic.sinceReceivedMs - before.movedAtMs
    : Infinity;
  return {
    atMs,
    ...bytesOf(traffic),
    movedAtMs,
    hasRequest: hasRequest && !isTurn,
    turns: before.turns + (isTurn ? 1 : 0),
    longestPauseMs: Math.max(before.longestPauseMs, pausedMs),
    shortestGapMs: Math.min(before.shortestGapMs, gapMs),
    longestOwedMs: Math.max(before.longestOwedMs, isOwed ? traffic.sinceReceivedMs : 0),
  };
}

export interface Patience {
  /** After this long a silence nothing more needs to be known. */
  readonly quietMs: number;
  /** It has been tried for long: take a worse moment rather than none. */
  readonly inHurry: boolean;
}

export function mayEnd(
  conversation: Conversation,
  socket: TcpSocket,
  { quietMs, inHurry }: Patience,
): boolean {
  const { traffic } = socket;
  if (traffic === null || socket.state !== C.TCP_ESTABLISHED) return false;
  if (classify(socket, quietMs) === "idle") return true;
  if (socket.receiveQueue > 0 || conversation.turns < MIN_TURNS) return false;
  if (traffic.bytesAcked === 0 || traffic.sinceReceivedMs < traffic.sinceSentMs) return false;
  const { longestPauseMs, longestOwedMs, shortestGapMs } = conversation;
  // Where the ticks do not tell which came last, it may be a request that takes its time.
  const leastMs = traffic.sinceReceivedMs === traffic.sinceSentMs
    ? Math.max(MIN_AMBIGUOUS_PAUSE_MS, 2 * longestPauseMs, 2 * longestOwedMs)
    : Math.max(MIN_PAUSE_MS, 2 * longestPauseMs);
  // Late in the pause the next request may be on its way already.
  const mostMs = shortestGapMs * (inHurry ? HURRIED_PART : EARLY_PART);
  return shortestGapMs !== Infinity && traffic.sinceSentMs >= leastMs &&
    traffic.sinceSentMs <= mostMs;
}

function unseen(atMs: number): Conversation {
  return {
    atMs,
    bytesReceived: 0,
    bytesAcked: 0,
    movedAtMs: atMs,
    hasRequest: false,
    turns: 0,
    longestPauseMs: 0,
    shortestGapMs: Infinity,
    longestOwedMs: 0,
  };
}

function bytesOf(traffic: { readonly bytesReceived: number; readonly bytesAcked: number }) {
  return { bytesReceived: traffic.bytesReceived, bytesAcked: traffic.bytesAcked };
}
