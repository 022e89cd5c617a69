/**
 * Whether a connection may be closed from outside now without losing a request. Pure.
 *
 * After a long silence it always may; else in the pause between an answer and the next request. What counts as such a
 * pause follows from its recent exchanges: several requests were answered, and no answer had a pause half as long as
 * the present one. When time runs out, typical values count instead of the worst ones: a single late packet on a busy
 * machine must not keep a connection open until the server drops it.
 *
 * One case escapes: the first answer of its kind that is sent in parts with a longer pause between them.
 */
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import { classify } from "./classify.ts";

/** Exchanges needed before anything follows from them. */
const MIN_TURNS = 2;
const REMEMBERED = 16;
/** Shortest silence that counts as a pause: three ticks of a kernel at 250 Hz. */
const MIN_PAUSE_MS = 12;
/** Shortest pause when kernel ticks do not tell whether request or answer came last. */
const MIN_AMBIGUOUS_PAUSE_MS = 20;

/** How much of the usual pause before the next request may have passed. */
const EARLY_PART = 2 / 5;
const HURRIED_PART = 2 / 3;
const MIN_GAPS = 2;
/** Longest time between two samples that measure a pause: in a longer one whole exchanges may have been missed. */
const MAX_BLIND_MS = 20;

/** A request and its answer, as far as samples can tell. */
interface Exchange {
  /** Longest silence inside the answer. */
  readonly pauseMs: number;
  /** Longest time for which the answer was owed. */
  readonly owedMs: number;
  /** From the answer to the next request; null: unknown. */
  readonly gapMs: number | null;
}

/** The recent past of one connection. */
export interface Conversation {
  readonly atMs: number;
  readonly bytesReceived: number;
  readonly bytesAcked: number;
  /** When data last went either way, as far as samples can tell. */
  readonly movedAtMs: number;
  /** Data came in since the last counted exchange. */
  readonly hasRequest: boolean;
  /** For how long the answer in progress has been owed. */
  readonly owedMs: number;
  /** The latest complete exchanges, in order. */
  readonly exchanges: readonly Exchange[];
}

/** @param atMs of this sample, on a monotonic clock */
export function follow(
  earlier: Conversation | null,
  socket: TcpSocket,
  atMs: number,
): Conversation {
  const { traffic } = socket;
  if (traffic === null) return earlier ?? startOf(atMs);
  const { bytesReceived, bytesAcked } = traffic;
  const before = earlier ?? { ...startOf(atMs), bytesReceived, bytesAcked };
  const sinceMs = Math.min(traffic.sinceSentMs, traffic.sinceReceivedMs);
  const received = bytesReceived > before.bytesReceived;
  const sentMore = bytesAcked > before.bytesAcked;
  const isOwed = socket.receiveQueue > 0 || traffic.sinceReceivedMs < traffic.sinceSentMs;
  const hasRequest = before.hasRequest || received || (earlier === null && isOwed);
  const isTurn = hasRequest && !isOwed && sinceMs >= MIN_PAUSE_MS;
  const movedAtMs = atMs - sinceMs;
  const owedMs = Math.max(before.owedMs, isOwed ? traffic.sinceReceivedMs : 0);
  const exchanges = [...before.exchanges];
  const last = exchanges.at(-1);
  if (last !== undefined && !before.hasRequest) {
    // The server sent more without a new request: the answer had a pause in it.
    const silentMs = sentMore && !received ? movedAtMs - before.movedAtMs : 0;
    const pauseMs = Math.max(last.pauseMs, silentMs >= MIN_PAUSE_MS ? silentMs : 0);
    // The next request, after a complete answer.
    const seen = received && atMs - before.atMs <= MAX_BLIND_MS;
    const gapMs = seen ? atMs - traffic.sinceReceivedMs - before.movedAtMs : last.gapMs;
    exchanges[exchanges.length - 1] = { ...last, pauseMs, gapMs };
  }
  if (isTurn) exchanges.push({ pauseMs: 0, owedMs, gapMs: null });
  return {
    atMs,
    bytesReceived,
    bytesAcked,
    movedAtMs,
    hasRequest: hasRequest && !isTurn,
    owedMs: isTurn ? 0 : owedMs,
    exchanges: exchanges.slice(-REMEMBERED),
  };
}

interface CloseTerms {
  /** A silence this long is enough by itself. */
  readonly quietMs: number;
  /** Time is running out: a worse moment is better than none. */
  readonly inHurry: boolean;
  /** The silence may be one between two messages of a stream, so it is not enough by itself. */
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
  // Where ticks do not tell which came last, the silence may be a request that takes its time.
  const leastMs = traffic.sinceReceivedMs === traffic.sinceSentMs
    ? Math.max(MIN_AMBIGUOUS_PAUSE_MS, 2 * pauseMs, 2 * owedMs)
    : Math.max(MIN_PAUSE_MS, 2 * pauseMs);
  // Late in the pause the next request may be in flight already.
  const mostMs = inHurry ? median(gaps) * HURRIED_PART : Math.min(...gaps) * EARLY_PART;
  return traffic.sinceSentMs >= leastMs && traffic.sinceSentMs <= mostMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? 0;
}

function startOf(atMs: number): Conversation {
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
