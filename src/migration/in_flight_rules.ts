/**
 * What happens next to a connection that is in flight between the old generation and the new one. Pure.
 *
 * It is offered to the new generation only when no other process has it open, and only where a request starts: a
 * complete one, or the first bytes after those that the old server had read before the move.
 */
import type { HeadKind } from "./request_head.ts";

/** Until an idle connection is closed, as a server would close it. */
const IDLE_MS = 10_000;
/**
 * Until an idle connection is closed when the old server has sent more after the move: the client may wait for the
 * rest, and must see its end.
 */
const IDLE_AFTER_ANSWER_MS = 1_000;
/** Until a request is returned to an old server that stops slowly: gunicorn's threads take a second to close. */
const HELD_MS = 1_500;

export interface HeldSample {
  readonly ageMs: number;
  readonly isOpen: boolean;
  /** Whether it was resumed for the old server. */
  readonly wasReturned: boolean;
  readonly unread: number;
  readonly hasRead: boolean;
  /** Whether the sending side is shut down: no server can answer on it. */
  readonly isShut: boolean;
}

/**
 * The next step while the old server may still read it. "return": resume it for the old server, which may still close
 * it without reading; then the request is the new server's after all. "returned": it belongs to the old server, as if
 * it had never moved.
 */
export function nextWhileHeld(
  { ageMs, isOpen, wasReturned, unread, hasRead, isShut }: HeldSample,
): "wait" | "return" | "idle" | "returned" {
  if (wasReturned && (hasRead || isShut)) return "returned";
  if (!isOpen) return "idle";
  return !wasReturned && unread > 0 && ageMs > HELD_MS ? "return" : "wait";
}

export interface IdleSample {
  readonly ageMs: number;
  readonly isEstablished: boolean;
  /** What unread bytes start with; null: there are none. */
  readonly head: HeadKind | null;
  /** Whether the old server has read from it, or sent on it, since the move began. */
  readonly hasRead: boolean;
  readonly hasSent: boolean;
}

/** The next step once only baton has it open. "dropped": closed although an answer is owed. */
export function nextWhileIdle(
  { ageMs, isEstablished, head, hasRead, hasSent }: IdleSample,
): "wait" | "offer" | "closed" | "dropped" {
  if (head === null) {
    const limitMs = hasSent ? IDLE_AFTER_ANSWER_MS : IDLE_MS;
    return isEstablished && ageMs <= limitMs ? "wait" : "closed";
  }
  // The new server judges best what it is, except for the rest of a request that the old server has begun to read.
  if (!hasRead || head === "request" || head === "pipelined") return "offer";
  return head === "partial" && ageMs <= IDLE_MS ? "wait" : "dropped";
}

/**
 * How long the new server may take to accept an offered connection, or another one at the same listener: a busy server
 * takes one at a time.
 */
const OFFER_MS = 5_000;
/** How long an offer lasts however many others it takes: a client waits no longer either. */
const LONGEST_OFFER_MS = 30_000;

/** @param sinceAcceptMs since one was accepted at the same listener; Infinity: none was */
export function isOfferOver(
  { ageMs, sinceAcceptMs }: { readonly ageMs: number; readonly sinceAcceptMs: number },
): boolean {
  return ageMs > LONGEST_OFFER_MS || Math.min(ageMs, sinceAcceptMs) > OFFER_MS;
}

/** How long a server that still accepts others may be left asleep: the first of them must not wait for the last. */
const LONGEST_ASLEEP_MS = 500;
/** How long another accept is waited for: without one, the server may be waiting for something else. */
const NEXT_ACCEPT_MS = 50;

interface AcceptedSample {
  /** How many wait to be accepted. */
  readonly offered: number;
  /** Since the first, and the last, of those that are asleep was accepted. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * Whether the new server may see the requests on what it has accepted. Some servers accept one connection between two
 * looks at all others (Node, nginx): each that is awake makes the rest wait for one more answer.
 */
export function mayWakeAccepted({ offered, firstMs, lastMs }: AcceptedSample): boolean {
  return offered === 0 || firstMs >= LONGEST_ASLEEP_MS || lastMs >= NEXT_ACCEPT_MS;
}
