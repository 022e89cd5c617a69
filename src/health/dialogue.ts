/** What is said on one connection of a check. Pure: bytes in, bytes and a verdict out. */
import type { CheckResult } from "./monitor.ts";

/** One check's side of a connection; new for each. */
export interface Dialogue {
  /** Said first; empty: nothing. */
  readonly opening: Uint8Array;
  /** The verdict of a connection alone; null: the answer decides. */
  readonly resultOnConnect: CheckResult | null;
  /** Bytes have come. */
  onData(bytes: Uint8Array): DialogueStep;
  /** The other end has closed: no more will come. */
  onEnd(): CheckResult;
  /** What is there instead of an answer, when the time is over: "no answer". */
  readonly timeoutDetail: string;
}

/** What follows from what was heard; nothing: more must come. */
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

/** The beginning of an answer, for people. */
export function quote(bytes: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, MOST_SHOWN));
  return JSON.stringify(text) + (bytes.length > MOST_SHOWN ? "..." : "");
}
