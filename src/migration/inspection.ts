/**
 * What becomes of a connection on its way from the old generation to the one that serves. Pure.
 *
 * It is offered only when nobody else has it open, and what it is offered with begins where a request begins: a whole
 * one, or whatever came after the last byte that was read before it set out.
 */
import type { Beginning } from "./request.ts";

/** Until a connection that rests is closed, as a server would close it. */
const REST_MS = 10_000;
/** The same where an answer went on: its client may wait for more of it, and is told by the end that nothing comes. */
const REST_OF_ANSWER_MS = 1_000;

/** Until a request is let in again, when its server stops slowly: gunicorn's threads take a second to close anything. */
const HELD_MS = 1_500;

export interface HeldLook {
  readonly ageMs: number;
  /** Its server has it open. */
  readonly isOpen: boolean;
  /** It was let in again. */
  readonly isBack: boolean;
  readonly unread: number;
  readonly hasRead: boolean;
  /** Nobody can answer on it any more. */
  readonly isShut: boolean;
}

/**
 * Its old server may read it. "return": it is let in again, and is not lost yet: a server that closes it all the same
 * without having read has left the request to the new one. "left": it is its server's, as if it had never set out.
 */
export function whileHeld(
  { ageMs, isOpen, isBack, unread, hasRead, isShut }: HeldLook,
): "wait" | "return" | "rest" | "left" {
  if (isBack && (hasRead || isShut)) return "left";
  if (!isOpen) return "rest";
  return !isBack && unread > 0 && ageMs > HELD_MS ? "return" : "wait";
}

export interface RestingLook {
  readonly ageMs: number;
  readonly isEstablished: boolean;
  /** What unread bytes begin with; null: there are none. */
  readonly begins: Beginning | null;
  /** Its old server has read from it, or sent on it, since it set out. */
  readonly hasRead: boolean;
  readonly hasSent: boolean;
}

/** Nobody has it open but baton. "cut": closed although something is owed. */
export function whileResting(
  { ageMs, isEstablished, begins, hasRead, hasSent }: RestingLook,
): "wait" | "offer" | "closed" | "cut" {
  if (begins === null) {
    const limitMs = hasSent ? REST_OF_ANSWER_MS : REST_MS;
    return isEstablished && ageMs <= limitMs ? "wait" : "closed";
  }
  // Its new server judges best what it is. Only the rest of what another one has begun to read is nothing for it.
  if (!hasRead || begins === "request" || begins === "requests") return "offer";
  return begins === "part" && ageMs <= REST_MS ? "wait" : "cut";
}
