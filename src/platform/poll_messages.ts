/** What the main thread and the poll thread say to each other (`runtime/poll_thread_source.ts`). */

/** Passing calls in shared memory: how many, and their numbers. */
export const PASSING_WORDS = 9;
/** What the thread gets when it says "ready". */
export interface PollOrders {
  readonly epollFd: number;
  readonly stopToken: number;
  /** PASSING_WORDS numbers of 32 bits. */
  readonly passing: SharedArrayBuffer;
}

/**
 * What the thread posts: a batch `[events, token, events, token, ...]`, or one system call, as
 * `struct seccomp_notif`, that is to be answered and armed again.
 */
export type PollMessage = readonly number[] | PolledCall;

export interface PolledCall {
  readonly token: number;
  readonly call: Uint8Array;
}

/** True when `token` is among the tokens of a batch. */
export function hasToken(batch: PollMessage, token: number): boolean {
  return isBatch(batch) && batch.some((value, i) => i % 2 === 1 && value === token);
}

export function isBatch(message: PollMessage): message is readonly number[] {
  return Array.isArray(message);
}
