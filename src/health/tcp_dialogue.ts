/**
 * A TCP check: connecting alone, or bytes to send and bytes to find anywhere in the answer. As in Envoy other bytes are
 * not a wrong answer, because the right ones may still come.
 */
import { type Dialogue, type DialogueStep, NEED_MORE, quote } from "./dialogue.ts";
import { type CheckResult, failure, success } from "./monitor.ts";
import { concatBytes, indexOfBytes } from "../platform/bytes.ts";

/** Bytes of the answer that are searched: a server may send without end. */
const MOST_KEPT = 64 * 1024;

export class TcpDialogue implements Dialogue {
  readonly opening: Uint8Array;
  readonly resultOnConnect: CheckResult | null;
  #heard: Uint8Array = new Uint8Array(0);

  constructor(readonly options: { send: Uint8Array; receive: Uint8Array | null }) {
    this.opening = options.send;
    this.resultOnConnect = options.receive === null ? success("connected") : null;
  }

  onData(bytes: Uint8Array): DialogueStep {
    const { receive } = this.options;
    const heard = concatBytes(this.#heard, bytes);
    if (receive !== null && indexOfBytes(heard, receive) >= 0) {
      return { result: success("answered") };
    }
    this.#heard = heard.subarray(-MOST_KEPT);
    return NEED_MORE;
  }

  onEnd(): CheckResult {
    return failure(`it closed the connection: ${this.timeoutDetail}`);
  }

  get timeoutDetail(): string {
    return this.#heard.length === 0 ? "no answer" : `it answered ${quote(this.#heard)}`;
  }
}
