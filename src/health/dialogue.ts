/** The protocol on one connection of a check. Pure: bytes in, bytes and a result out. */
import type { CheckResult } from "./monitor.ts";

/** One check's side of a connection; new for each. */
export interface Dialogue {
  /** Sent first; may be empty. */
  readonly opening: Uint8Array;
  /** The result of connecting alone; absent: the answer decides. */
  readonly resultOnConnect?: CheckResult | null;
  onData(bytes: Uint8Array): DialogueStep;
  /** The server has closed the connection. */
  onEnd(): CheckResult;
  /** What there is instead of an answer at the timeout: "no answer". */
  readonly timeoutDetail: string;
}

/** What follows from the bytes so far; empty: more bytes must come. */
export interface DialogueStep {
  readonly send?: Uint8Array;
  readonly result?: CheckResult;
}

export const NEED_MORE: DialogueStep = {};

const encoder = new TextEncoder();

export function ascii(text: string): Uint8Array {
  return encoder.encode(text);
}

const MOST_SHOWN = 60;

/** The start of an answer, for messages. */
export function quote(bytes: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, MOST_SHOWN));
  return JSON.stringify(text) + (bytes.length > MOST_SHOWN ? "..." : "");
}
