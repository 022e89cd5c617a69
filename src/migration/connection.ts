/**
 * One connection of a generation that is to be replaced: where it stands between its requests, and whether it
 * may be moved. Pure.
 *
 * It is watched from outside, in looks. While it is *paused* the server is not woken by what the client sends.
 * What state it is in at the first look nobody can know: an answer may be owed to a request that was read before.
 * So one request is let in alone, and followed: the server reads exactly that one, answers, and the client sends
 * nothing meanwhile. From then on it is *proven*: its client waits for answers, and what comes next while it is
 * paused is a request that the server has not read, on a connection on which nothing is owed: a *boundary*. Only
 * there a connection may be moved.
 */
import type { Activity } from "../drain/classify.ts";
import type { Unread } from "./request.ts";

export type Phase =
  /** Paused; the answer to what it has read is on its way, or it is not known whether one is owed. */
  | "owed"
  /** Paused, answered as far as is known, nothing has come since. */
  | "rest"
  /** Paused, with a request that is to be let in. */
  | "waiting"
  /** A request was let in: the server is woken by what comes. */
  | "open"
  /** The same, and it is a body, or half a request: not paused before all of it is read, or is answered. */
  | "reading"
  /** Paused, proven, with one whole request that the server has not read: may be moved. */
  | "boundary"
  /** It stays with its server. */
  | "unfit";

export interface Watched {
  readonly phase: Phase;
  /** Why it is unfit. */
  readonly reason: string | null;
  /**
   * How surely its client was seen to send a request alone and to wait for the answer: 2, nothing else had come
   * when the answer was on its way; 1, not long before.
   */
  readonly waited: number;
  /** Exactly one request was read since `base`, so the next one begins where it ends; else nobody knows. */
  readonly isAlone: boolean;
  /** Bytes that were sent when the last request was let in: an answer makes them more. */
  readonly base: number;
  /** Bytes that the server had read by then. */
  readonly read: number;
  /** Bytes that it had read at the last look. */
  readonly position: number;
  /** Bytes that it had sent at the last look, and the first one that saw so many. */
  readonly sent: number;
  readonly sentAtMs: number;
  /** Bytes that it will have read with that one request; null: not known. */
  readonly expected: number | null;
  /** When the request came that waits. */
  readonly sinceMs: number;
}

/** What is seen of it. */
export interface Look {
  readonly atMs: number;
  readonly received: number;
  readonly unread: number;
  /** Sent and acknowledged. */
  readonly acknowledged: number;
  /** Sent and not acknowledged. */
  readonly underWay: number;
  /** The last byte that went over it was one of the server's, as far as the kernel's ticks tell. */
  readonly answeredLast: boolean;
  /** Time since anything went over it. */
  readonly quietForMs: number;
  readonly activity: Activity;
  /** Null: nothing is unread. */
  readonly begins: Unread | null;
}

/** What the others allow. */
export interface Terms {
  /** Who is held back since before this moment is let in. */
  readonly heldSinceMs: number;
  /** One more request may be let in: only a few at a time can be followed. */
  readonly hasRoom: boolean;
  /** An answer that pauses for so long looks whole. */
  readonly quietMs: number;
}

export type Order = "pause" | "open" | null;

export interface Step {
  readonly watched: Watched;
  readonly order: Order;
}

const SURE = 2;
const NO_ANSWER = "its client does not wait for answers";

/**
 * What is known at the first look; it is to be paused.
 * @param waited what was seen of its client in an attempt before this one
 */
export function firstLook(look: Look, waited = 0): Step {
  const isAnswered = look.answeredLast && look.unread === 0 && look.underWay === 0;
  const watched: Watched = {
    phase: isAnswered ? "rest" : "owed",
    reason: null,
    waited,
    isAlone: false,
    base: sent(look),
    read: readBy(look),
    position: readBy(look),
    sent: sent(look),
    sentAtMs: look.atMs,
    expected: null,
    sinceMs: look.atMs,
  };
  return { watched, order: "pause" };
}

export function nextLook(before: Watched, look: Look, terms: Terms): Step {
  switch (before.phase) {
    case "unfit":
      return { watched: before, order: null };
    case "open":
      return whileOpen(before, look);
    case "reading":
      return isSent(before, look) || readBy(look) === before.expected
        ? whileOpen(before, look)
        : { watched: before, order: null };
    case "waiting":
      return whileWaiting(before, look, terms);
    case "boundary":
      return whileHeld(before, look, terms);
    case "owed":
    case "rest":
      return whilePaused(before, look, terms);
  }
}

/** Bytes that the server has read. */
export function readBy({ received, unread }: Look): number {
  return received - unread;
}

/** It is paused: its server is not woken by what comes. */
export function isHeldBack(watched: Watched | null): boolean {
  switch (watched?.phase) {
    case "owed":
    case "rest":
    case "waiting":
    case "boundary":
      return true;
    default:
      return false;
  }
}

/** Its client waits for answers. */
export function isProven({ waited }: Watched): boolean {
  return waited >= SURE;
}

/** An answer is there, or on its way: clients may acknowledge it as late as with their next request. */
function isSent({ base }: Watched, look: Look): boolean {
  return sent(look) > base;
}

/** All that the server has sent, whether the client has it or not. */
export function sent({ acknowledged, underWay }: Look): number {
  return acknowledged + underWay;
}

/** Nothing has come since the one request, and its answer is there or on its way. */
function waitedBy(before: Watched, look: Look): number {
  return before.isAlone && isSent(before, look) && look.unread === 0 ? SURE : before.waited;
}

function isAnswered({ base }: Watched, { acknowledged, underWay }: Look): boolean {
  return acknowledged > base && underWay === 0;
}

function whileOpen(before: Watched, look: Look): Step {
  const read = readBy(look);
  const isPart = before.expected === null || read < before.expected;
  if (read === before.read) return { watched: before, order: null };
  if (isPart && (before.phase === "open" || look.unread > 0)) {
    return { watched: { ...before, phase: "reading" }, order: null };
  }
  const isAlone = read === before.expected;
  if (look.unread === 0) return pausedAfter({ ...before, isAlone }, look);
  // It has read the request, and the next one is there already.
  const isNext = look.begins?.beginning === "request";
  if (isAlone && isProven(before) && isNext && isAnswered(before, look)) {
    return atBoundary(before, look, "pause");
  }
  return pausedAfter({ ...before, isAlone: false }, look);
}

/** Where it cannot be said what was answered, only an answer from now on counts as one. */
function pausedAfter(before: Watched, look: Look): Step {
  const position = readBy(look);
  const base = before.isAlone ? before.base : sent(look);
  const isOver = before.isAlone && look.unread === 0 && isAnswered(before, look);
  const phase = isOver ? "rest" : "owed";
  const watched = {
    ...before,
    base,
    position,
    phase,
    sent: sent(look),
    sentAtMs: look.atMs,
  } as const;
  return { watched: { ...watched, waited: waitedBy(watched, look) }, order: "pause" };
}

function whilePaused(before: Watched, look: Look, terms: Terms): Step {
  // It was woken just before, or reads without being woken: nobody has seen what.
  if (readBy(look) !== before.position) return pausedAfter({ ...before, isAlone: false }, look);
  const hasAnswered = before.phase === "rest" || isAnswered(before, look);
  const begins = look.begins?.beginning ?? null;
  if (begins === null) {
    const phase = hasAnswered ? "rest" : "owed";
    const waited = waitedBy(before, look);
    return { watched: { ...before, ...sendsOn(before, look, terms), phase, waited }, order: null };
  }
  if (begins === "upgrade") return unfit(before, "it becomes something else");
  if (begins === "requests") return unfit(before, NO_ANSWER);
  const isNext = begins === "request";
  if (!hasAnswered && before.isAlone && isNext) return unfit(before, NO_ANSWER);
  const isClear = hasAnswered && isProven(before) && before.isAlone;
  if (isClear && isNext) return atBoundary(before, look, null);
  if (isClear && begins === "other") {
    return unfit(before, "it does not speak HTTP/1");
  }
  // It was answered, and this came then, or just before.
  const waited = hasAnswered && before.isAlone && isNext ? before.waited + 1 : before.waited;
  const waiting = { ...before, phase: "waiting", waited, sinceMs: look.atMs } as const;
  return whileWaiting(waiting, look, terms);
}

/** Its server has sent more: after a pause it is the same answer, which goes on, and nobody knows where it ends. */
function sendsOn(before: Watched, look: Look, { quietMs }: Terms): Partial<Watched> {
  if (sent(look) <= before.sent) return {};
  const hasPaused = before.phase === "rest" && look.atMs - before.sentAtMs >= quietMs;
  return { sent: sent(look), sentAtMs: look.atMs, isAlone: before.isAlone && !hasPaused };
}

function whileWaiting(before: Watched, look: Look, { hasRoom }: Terms): Step {
  const begins = look.begins?.beginning ?? null;
  if (begins === null) return pausedAfter({ ...before, isAlone: false }, look);
  if (begins === "requests") return unfit(before, NO_ANSWER);
  if (begins === "request") {
    return hasRoom ? letIn(before, look, "open") : { watched: before, order: null };
  }
  return letIn(before, look, "reading");
}

/** The server has answered everything, and has not read what is there now. */
function atBoundary(before: Watched, look: Look, order: Order): Step {
  const base = sent(look);
  const held = { phase: "boundary", read: readBy(look), base, sinceMs: look.atMs } as const;
  return { watched: { ...before, ...held }, order };
}

function whileHeld(before: Watched, look: Look, terms: Terms): Step {
  if (readBy(look) !== before.read) return pausedAfter({ ...before, isAlone: false }, look);
  if (look.begins?.beginning !== "request") return unfit(before, NO_ANSWER);
  if (before.sinceMs >= terms.heldSinceMs) return { watched: before, order: null };
  return whileWaiting({ ...before, phase: "waiting" }, look, terms);
}

function letIn(before: Watched, look: Look, phase: "open" | "reading"): Step {
  const read = readBy(look);
  const length = look.begins?.length ?? null;
  const allowed = {
    phase,
    base: sent(look),
    read,
    expected: length === null ? null : read + length,
    isAlone: false,
    sinceMs: look.atMs,
  };
  return { watched: { ...before, ...allowed }, order: "open" };
}

function unfit(before: Watched, reason: string): Step {
  return { watched: { ...before, phase: "unfit", reason }, order: "open" };
}
