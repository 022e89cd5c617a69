/**
 * May a connection be ended from outside, now, without losing a request? Pure.
 *
 * A connection that was silent for long may always be. One that a client keeps in use never is silent
 * for long; it may be ended in the pause between an answer and the next request. That this is such a
 * pause is concluded from how the connection has behaved of late: several requests were answered, and no
 * answer had a pause in it that was half as long as this one. When time runs out, what it mostly does
 * counts instead of the worst that was seen: one late packet on a busy machine must not decide that a
 * connection is never ended, for then it is cut.
 *
 * What this cannot know: a first answer of its kind, sent in parts with a longer pause between them.
 */
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import { classify } from "./classify.ts";

/** Exchanges seen before anything is concluded from them. */
const MIN_TURNS = 2;
/** Exchanges that are remembered. */
const REMEMBERED = 16;
/** Shortest silence that counts as a pause: three ticks of a kernel at 250 Hz. */
const MIN_PAUSE_MS = 12;
/** Where the kernel's ticks do not tell which came last, request or answer. */
const MIN_AMBIGUOUS_PAUSE_MS = 20;

/** Of the pause between an answer and the next request: later than this is too late. */
const EARLY_PART = 2 / 5;
const HURRIED_PART = 2 / 3;
/** Pauses that must have been seen. */
const MIN_GAPS = 2;
/** Between two looks further apart than this whole exchanges may have been missed: what they tell is no pause. */
const MAX_BLIND_MS = 20;

/** A request and its answer, as far as looks can tell. */
export interface Exchange {
  /** Longest silence inside the answer. */
  readonly pauseMs: number;
  /** Longest time for which the answer was seen to be owed. */
  readonly owedMs: number;
  /** From the answer to the next request; null: not seen. */
  readonly gapMs: number | null;
}

/** What was seen of one connection so far. */
export interface Conversation {
  readonly atMs: number;
  readonly bytesReceived: number;
  readonly bytesAcked: number;
  /** When data last went either way, as far as looks can tell. */
  readonly movedAtMs: number;
  /** Something came in since the last counted exchange. */
  readonly hasRequest: boolean;
  /** Of the exchange under way. */
  readonly owedMs: number;
  /** The latest ones that were whole, in order. */
  readonly exchanges: readonly Exchange[];
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
  const owedMs = Math.max(before.owedMs, isOwed ? traffic.sinceReceivedMs : 0);
  const exchanges = [...before.exchanges];
  const last = exchanges.pop();
  if (last !== undefined && !before.hasRequest) {
    // Sent again without being asked: the answer had a pause in it.
    const silentMs = sentMore && !received ? movedAtMs - before.movedAtMs : 0;
    const pauseMs = Math.max(last.pauseMs, silentMs >= MIN_PAUSE_MS ? silentMs : 0);
    // The request after an answer that was seen to be whole.
    const seen = received && atMs - before.atMs <= MAX_BLIND_MS;
    const gapMs = seen ? atMs - traffic.sinceReceivedMs - before.movedAtMs : last.gapMs;
    exchanges.push({ ...last, pauseMs, gapMs });
  } else if (last !== undefined) exchanges.push(last);
  if (isTurn) exchanges.push({ pauseMs: 0, owedMs, gapMs: null });
  return {
    atMs,
    ...bytesOf(traffic),
    movedAtMs,
    hasRequest: hasRequest && !isTurn,
    owedMs: isTurn ? 0 : owedMs,
    exchanges: exchanges.slice(-REMEMBERED),
  };
}

export interface CloseTerms {
  /** After this long a silence nothing more needs to be known. */
  readonly quietMs: number;
  /** It has been tried for long: take a worse moment rather than none. */
  readonly inHurry: boolean;
  /** This silence may be one between two messages of a stream: it is not enough. */
  readonly isPause?: boolean;
}

export function mayClose(
  { exchanges }: Conversation,
  socket: TcpSocket,
  { quietMs, inHurry, isPause = false }: CloseTerms,
): boolean {
  const { traffic } = socket;
  if (traffic === null || socket.state !== C.TCP_ESTABLISHED) return false;
  if (classify(socket, quietMs) === "idle" && !isPause) return true;
  if (socket.receiveQueue > 0 || exchanges.length < MIN_TURNS) return false;
  if (traffic.bytesAcked === 0 || traffic.sinceReceivedMs < traffic.sinceSentMs) return false;
  const worst = inHurry ? median : (values: readonly number[]) => Math.max(...values);
  const pauseMs = worst(exchanges.map((exchange) => exchange.pauseMs));
  const owedMs = worst(exchanges.map((exchange) => exchange.owedMs));
  const gaps = exchanges.flatMap(({ gapMs }) => gapMs ?? []);
  if (gaps.length < MIN_GAPS) return false;
  // Where the ticks do not tell which came last, it may be a request that takes its time.
  const leastMs = traffic.sinceReceivedMs === traffic.sinceSentMs
    ? Math.max(MIN_AMBIGUOUS_PAUSE_MS, 2 * pauseMs, 2 * owedMs)
    : Math.max(MIN_PAUSE_MS, 2 * pauseMs);
  // Late in the pause the next request may be on its way already.
  const mostMs = inHurry ? median(gaps) * HURRIED_PART : Math.min(...gaps) * EARLY_PART;
  return traffic.sinceSentMs >= leastMs && traffic.sinceSentMs <= mostMs;
}

/** The lower one of two in the middle. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? 0;
}

function unseen(atMs: number): Conversation {
  return {
    atMs,
    bytesReceived: 0,
    bytesAcked: 0,
    movedAtMs: atMs,
    hasRequest: false,
    owedMs: 0,
    exchanges: [],
  };
}

function bytesOf(traffic: { readonly bytesReceived: number; readonly bytesAcked: number }) {
  return { bytesReceived: traffic.bytesReceived, bytesAcked: traffic.bytesAcked };
}
