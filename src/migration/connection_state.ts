/**
 * The state of one keep-alive connection of the old generation between its requests, and when it may be moved. Pure.
 *
 * Baton watches the socket from outside, one sample at a time. While the socket is *paused* (sample.ts)
 * incoming data does not wake the server. The first sample cannot tell whether the server still owes an answer to a
 * request that it has read before. So baton *releases* a single request and follows it: the server reads exactly that
 * request and answers it, and the client sends nothing meanwhile. That proves that the client waits for answers.
 * Whatever arrives next on the paused socket is then a request that the server has not read, on a connection with no
 * answer owed: a *boundary*. A connection is moved only there.
 *
 * A client that never pauses sends its next request as soon as it has the answer, sooner than baton looks. So the end of
 * the answer is held back until the socket is paused again (sample.ts). Where that fails, the connection has *slipped*:
 * its next request is followed closely instead, a few at a time.
 *
 *              first sample: pause
 *                      |
 *          +-----------+-----------+
 *          v      all sent         v    a request     +--------+  its turn  +----------+
 *     answer_owed ----------->   idle  ------------>  | queued | ---------> | released |
 *          ^                       |                  +--------+            +----------+
 *          |   a request, proven   |                       ^ round over          |  read in part
 *          |                       v                       |                     v
 *          |                   boundary -------------------+                  reading
 *          +---------------- read: pause again <--------------------------------+
 *
 *     any state with pipelined requests, an upgrade or another protocol ---> unmovable
 */
import type { Sample } from "./sample.ts";

export type Phase =
  /** Paused; an answer is under way, or may be owed. */
  | "answer_owed"
  /** Paused; everything was answered as far as is known, and nothing has arrived since. */
  | "idle"
  /** Paused; a request waits for its release. */
  | "queued"
  /** A request was released: the server is woken. */
  | "released"
  /** As released, while a body or partial request is arriving: paused only when it was read completely or answered. */
  | "reading"
  /** Paused, proven, and exactly one request is unread: may be moved. */
  | "boundary"
  /** Stays with the old server. */
  | "unmovable";

export interface ConnectionState {
  readonly phase: Phase;
  /**
   * How well it is proven that the client sends one request and waits for the answer. 2: nothing had arrived when the
   * answer was sent; 1: something had arrived only shortly before.
   */
  readonly evidence: number;
  /** The server has read exactly one request since `sentAtRelease`, so the next byte starts a request. */
  readonly isSingleRequest: boolean;
  /** Bytes the server had sent, and had read, when the last request was released. More bytes sent are its answer. */
  readonly sentAtRelease: number;
  readonly readAtRelease: number;
  readonly lastRead: number;
  /** Bytes the server had sent at the last sample, and the time of the first sample with that count. */
  readonly lastSent: number;
  readonly lastSentAtMs: number;
  /** Bytes the server will have read once it has read that request; null: unknown. */
  readonly expectedRead: number | null;
  /** When the unread request arrived. */
  readonly sinceMs: number;
  /** The end of the answer to the released request stays in the kernel until the connection is paused again (sample.ts). */
  readonly holdsAnswer: boolean;
  /** The next request came all the same before it was paused again: the next one is followed closely instead. */
  readonly hasSlipped: boolean;
}

/** What the state of the other connections allows. */
export interface ReleaseTerms {
  /** Requests held since before this time are released. */
  readonly roundStartMs: number;
  /** Whether a connection that has slipped may be released now: only a few can be followed at a time. */
  readonly mayRelease: boolean;
  /** Whether the others, too, are released only a few at a time. */
  readonly isSlow: boolean;
  /** An answer that pauses for this long looks complete. */
  readonly quietMs: number;
}

interface Transition {
  readonly state: ConnectionState;
  readonly action: "pause" | "resume" | null;
}

const PROVEN = 2;
/** The kernel sends the end of an answer after 200 ms, however long it should be held back. */
const HELD_BACK_MS = 150;
const PAUSED: readonly Phase[] = ["answer_owed", "idle", "queued", "boundary"];

/** The state after the first sample. @param evidence from an earlier attempt */
export function firstTransition(sample: Sample, evidence = 0): Transition {
  const isIdle = sample.serverSentLast && sample.unread === 0 && sample.unacknowledged === 0;
  const state: ConnectionState = {
    phase: isIdle ? "idle" : "answer_owed",
    evidence,
    isSingleRequest: false,
    sentAtRelease: sample.sent,
    readAtRelease: sample.read,
    lastRead: sample.read,
    lastSent: sample.sent,
    lastSentAtMs: sample.atMs,
    expectedRead: null,
    sinceMs: sample.atMs,
    holdsAnswer: false,
    hasSlipped: false,
  };
  return { state, action: "pause" };
}

export function nextTransition(
  before: ConnectionState,
  sample: Sample,
  terms: ReleaseTerms,
): Transition {
  switch (before.phase) {
    case "unmovable":
      return unchanged(before);
    case "released":
      return whileReleased(before, sample);
    case "reading":
      return hasAnswerStarted(before, sample) || sample.read === before.expectedRead
        ? whileReleased(before, sample)
        : unchanged(before);
    case "queued":
      return whileQueued(before, sample, terms);
    case "boundary":
      return atBoundary(before, sample, terms);
    case "answer_owed":
    case "idle":
      return whilePaused(before, sample, terms);
  }
}

/** Whether incoming data does not wake the server. */
export function isPaused(state: ConnectionState | null): boolean {
  return state !== null && PAUSED.includes(state.phase);
}

/** Whether the client is known to wait for answers. */
export function isProven({ evidence }: ConnectionState): boolean {
  return evidence >= PROVEN;
}

function unchanged(state: ConnectionState): Transition {
  return { state, action: null };
}

/** Whether any of the answer is sent, acknowledged or not: a client may acknowledge it with its next request only. */
function hasAnswerStarted({ sentAtRelease }: ConnectionState, sample: Sample): boolean {
  return sample.sent > sentAtRelease;
}

function isAnswered({ sentAtRelease }: ConnectionState, sample: Sample): boolean {
  return sample.sent > sentAtRelease && sample.unacknowledged === 0;
}

/** Fully proven once the answer to the single request is on its way and nothing else has arrived. */
function evidenceAfter(before: ConnectionState, sample: Sample): number {
  const isProof = before.isSingleRequest && hasAnswerStarted(before, sample) && sample.unread === 0;
  return isProof ? PROVEN : before.evidence;
}

function whileReleased(before: ConnectionState, sample: Sample): Transition {
  const { read } = sample;
  const { expectedRead } = before;
  // What is sent meanwhile answers an earlier request.
  if (read === before.readAtRelease) return unchanged(afterEarlierAnswer(before, sample));
  const isPartial = expectedRead === null || read < expectedRead;
  if (isPartial && (before.phase === "released" || sample.unread > 0)) {
    const holdsAnswer = before.holdsAnswer && !hasAnswerStarted(before, sample);
    return unchanged({ ...before, phase: "reading", holdsAnswer });
  }
  const isSingleRequest = read === expectedRead;
  const isAlone = isSingleRequest && sample.unread === 0;
  // Whether an answer can be held back is not known when baton comes late. And the machine may have been slow: the other
  // way next time.
  const isLate = before.holdsAnswer && sample.atMs - before.sinceMs >= HELD_BACK_MS;
  const hasSlipped = (expectedRead !== null && !isAlone && !isLate) !== before.hasSlipped;
  if (sample.unread === 0) return pauseAgain({ ...before, isSingleRequest, hasSlipped }, sample);
  // The server has read the request, and the next one has arrived already.
  const isNext = sample.head?.kind === "request";
  if (isSingleRequest && isProven(before) && isNext && isAnswered(before, sample)) {
    return enterBoundary(before, sample, "pause");
  }
  return pauseAgain({ ...before, isSingleRequest: false, hasSlipped }, sample);
}

function afterEarlierAnswer(before: ConnectionState, sample: Sample): ConnectionState {
  if (!hasAnswerStarted(before, sample)) return before;
  return { ...before, sentAtRelease: sample.sent, holdsAnswer: false };
}

/** When it is unclear what was answered, only bytes sent from now on count as an answer. */
function pauseAgain(before: ConnectionState, sample: Sample): Transition {
  const sentAtRelease = before.isSingleRequest ? before.sentAtRelease : sample.sent;
  const isIdle = before.isSingleRequest && sample.unread === 0 && isAnswered(before, sample);
  const state: ConnectionState = {
    ...before,
    phase: isIdle ? "idle" : "answer_owed",
    sentAtRelease,
    lastRead: sample.read,
    lastSent: sample.sent,
    lastSentAtMs: sample.atMs,
    holdsAnswer: before.holdsAnswer && before.isSingleRequest && !hasAnswerStarted(before, sample),
  };
  return { state: { ...state, evidence: evidenceAfter(state, sample) }, action: "pause" };
}

function whilePaused(before: ConnectionState, sample: Sample, terms: ReleaseTerms): Transition {
  // The server was woken just before the pause, or reads without being woken: what it read is unknown.
  if (sample.read !== before.lastRead) {
    return pauseAgain({ ...before, isSingleRequest: false }, sample);
  }
  const hasAnswered = before.phase === "idle" || isAnswered(before, sample);
  const kind = sample.head?.kind ?? null;
  if (kind === null) {
    const phase = hasAnswered ? "idle" : "answer_owed";
    const evidence = evidenceAfter(before, sample);
    const holdsAnswer = before.holdsAnswer && !hasAnswerStarted(before, sample);
    const more = afterMoreSent(before, sample, terms);
    return unchanged({ ...before, ...more, phase, evidence, holdsAnswer });
  }
  if (kind === "upgrade" || kind === "pipelined") return makeUnmovable(before);
  const isRequest = kind === "request";
  // The client does not wait for answers.
  if (!hasAnswered && before.isSingleRequest && isRequest) return makeUnmovable(before);
  const isClear = hasAnswered && isProven(before) && before.isSingleRequest;
  if (isClear && isRequest) return enterBoundary(before, sample, null);
  if (isClear && kind === "other") return makeUnmovable(before);
  // The request arrived after the answer, or just before it.
  const isHint = hasAnswered && before.isSingleRequest && isRequest;
  const evidence = before.evidence + (isHint ? 1 : 0);
  const sinceMs = sample.atMs;
  const queued = { ...before, phase: "queued", evidence, sinceMs, holdsAnswer: false } as const;
  return whileQueued(queued, sample, terms);
}

/** More data after a pause continues the same answer, so its end is unknown. */
function afterMoreSent(
  before: ConnectionState,
  sample: Sample,
  { quietMs }: ReleaseTerms,
): Partial<ConnectionState> {
  const { sent: lastSent } = sample;
  if (lastSent <= before.lastSent) return {};
  const hasPaused = before.phase === "idle" && sample.atMs - before.lastSentAtMs >= quietMs;
  const isSingleRequest = before.isSingleRequest && !hasPaused;
  return { lastSent, lastSentAtMs: sample.atMs, isSingleRequest };
}

function whileQueued(before: ConnectionState, sample: Sample, terms: ReleaseTerms): Transition {
  const kind = sample.head?.kind ?? null;
  if (kind === null) return pauseAgain({ ...before, isSingleRequest: false }, sample);
  if (kind === "pipelined") return makeUnmovable(before);
  if (kind !== "request") return release(before, sample, "reading");
  const mayRelease = terms.mayRelease || !(before.hasSlipped || terms.isSlow);
  return mayRelease ? release(before, sample, "released") : unchanged(before);
}

function enterBoundary(
  before: ConnectionState,
  sample: Sample,
  action: Transition["action"],
): Transition {
  const { sent: sentAtRelease, read: readAtRelease, atMs: sinceMs } = sample;
  const entered = { readAtRelease, sentAtRelease, sinceMs, holdsAnswer: false };
  return { state: { ...before, ...entered, phase: "boundary" }, action };
}

function atBoundary(before: ConnectionState, sample: Sample, terms: ReleaseTerms): Transition {
  if (sample.read !== before.readAtRelease) {
    return pauseAgain({ ...before, isSingleRequest: false }, sample);
  }
  if (sample.head?.kind !== "request") return makeUnmovable(before);
  if (before.sinceMs >= terms.roundStartMs) return unchanged(before);
  return whileQueued({ ...before, phase: "queued" }, sample, terms);
}

function release(
  before: ConnectionState,
  sample: Sample,
  phase: "released" | "reading",
): Transition {
  const { sent: sentAtRelease, read: readAtRelease } = sample;
  const length = sample.head?.length ?? null;
  const expectedRead = length === null ? null : readAtRelease + length;
  const holdsAnswer = phase === "released" && length !== null && !before.hasSlipped;
  const sinceMs = sample.atMs;
  const released = { sentAtRelease, readAtRelease, expectedRead, holdsAnswer, sinceMs };
  return { state: { ...before, ...released, phase, isSingleRequest: false }, action: "resume" };
}

function makeUnmovable(before: ConnectionState): Transition {
  return { state: { ...before, phase: "unmovable", holdsAnswer: false }, action: "resume" };
}
