/** A connection as the kernel would show it, with a client and a server that are told what to do. */
import {
  firstLook,
  isProven,
  type Look,
  nextLook,
  type Terms,
  type Watched,
} from "../../../src/migration/connection.ts";
import { HEAD_LIMIT, recognise } from "../../../src/migration/request.ts";

/** How long a request is held back. */
export const PATIENCE_MS = 20;
/** After such a pause an answer looks whole. */
export const QUIET_MS = 50;

export class SimulatedConnection {
  atMs = 0;
  isPaused = false;
  watched: Watched | null = null;
  #received = "";
  #read = 0;
  #acknowledged = 0;
  #underWay = 0;
  #answeredLast = true;

  get unread(): string {
    return this.#received.slice(this.#read);
  }

  /** What the server has read, from the beginning. */
  get read(): number {
    return this.#read;
  }

  send(text: string): void {
    this.#received += text;
    this.#answeredLast = false;
  }

  /** The server reads, whether it was woken or not. @param length everything, unless less */
  take(length = Infinity): string {
    const text = this.unread.slice(0, length);
    this.#read += text.length;
    return text;
  }

  /** @param isAcknowledged the client has it */
  answer(length = 100, isAcknowledged = true): void {
    if (isAcknowledged) this.#acknowledged += length;
    else this.#underWay += length;
    this.#answeredLast = true;
  }

  acknowledge(): void {
    this.#acknowledged += this.#underWay;
    this.#underWay = 0;
  }

  get look(): Look {
    const { unread, atMs } = this;
    const bytes = Uint8Array.from(unread.slice(0, HEAD_LIMIT), (letter) => letter.charCodeAt(0));
    return {
      atMs,
      received: this.#received.length,
      unread: unread.length,
      acknowledged: this.#acknowledged,
      underWay: this.#underWay,
      answeredLast: this.#answeredLast,
      quietForMs: 0,
      activity: "busy",
      begins: unread === "" ? null : recognise(bytes),
    };
  }

  /** Baton looks, and does what it decides. @returns its phase, and what it did */
  watch(terms: Partial<Terms> = {}): string {
    const heldSinceMs = this.atMs - PATIENCE_MS + 1;
    const step = this.watched === null ? firstLook(this.look) : nextLook(this.watched, this.look, {
      ...{ heldSinceMs, hasRoom: true, quietMs: QUIET_MS },
      ...terms,
    });
    this.watched = step.watched;
    if (step.order !== null) this.isPaused = step.order === "pause";
    const { phase } = step.watched;
    return [phase, isProven(step.watched) ? "proven" : "", step.order ?? ""].filter((word) =>
      word !== ""
    )
      .join(" ");
  }
}
