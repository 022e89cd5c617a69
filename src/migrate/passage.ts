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
