/** A connection as the kernel would show it, with a scripted client and server. */
import type { Sample } from "../../../src/migration/sample.ts";
import {
  type ConnectionState,
  firstTransition,
  isProven,
  nextTransition,
  type ReleaseTerms,
} from "../../../src/migration/connection_state.ts";
import { classifyUnread, HEAD_LIMIT } from "../../../src/migration/request_head.ts";

/** For how long a request is held. */
export const HOLD_MS = 20;
/** After such a pause an answer looks complete. */
export const QUIET_MS = 50;

export class SimulatedConnection {
  atMs = 0;
  isPaused = false;
  state: ConnectionState | null = null;
  #received = "";
  #read = 0;
  #acknowledged = 0;
  #unacknowledged = 0;
  #serverSentLast = true;

  get unread(): string {
    return this.#received.slice(this.#read);
  }

  /** Bytes the server has read. */
  get read(): number {
    return this.#read;
  }

  send(text: string): void {
    this.#received += text;
    this.#serverSentLast = false;
  }

  /** The server reads, woken or not. @param length at most */
  take(length = Infinity): string {
    const text = this.unread.slice(0, length);
    this.#read += text.length;
    return text;
  }

  /** @param isAcknowledged the client has it */
  answer(length = 100, isAcknowledged = true): void {
    if (isAcknowledged) this.#acknowledged += length;
    else this.#unacknowledged += length;
    this.#serverSentLast = true;
  }

  acknowledge(): void {
    this.#acknowledged += this.#unacknowledged;
    this.#unacknowledged = 0;
  }

  get sample(): Sample {
    const { unread, atMs } = this;
    const bytes = Uint8Array.from(unread.slice(0, HEAD_LIMIT), (letter) => letter.charCodeAt(0));
    return {
      atMs,
      read: this.#received.length - unread.length,
      unread: unread.length,
      sent: this.#acknowledged + this.#unacknowledged,
      unacknowledged: this.#unacknowledged,
      serverSentLast: this.#serverSentLast,
      silentMs: 0,
      activity: "busy",
      head: unread === "" ? null : classifyUnread(bytes),
    };
  }

  /** Takes a sample and acts on it. @returns the phase, and the action */
  step(terms: Partial<ReleaseTerms> = {}): string {
    const roundStartMs = this.atMs - HOLD_MS + 1;
    const step = this.state === null
      ? firstTransition(this.sample)
      : nextTransition(this.state, this.sample, {
        ...{ roundStartMs, mayRelease: true, isSlow: false, quietMs: QUIET_MS },
        ...terms,
      });
    this.state = step.state;
    if (step.action !== null) this.isPaused = step.action === "pause";
    const { phase } = step.state;
    const words = [phase, isProven(step.state) ? "proven" : "", step.action ?? ""];
    return words.filter((word) => word !== "").join(" ");
  }
}
