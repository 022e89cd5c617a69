/** A Redis check: only PONG is the right answer to PING. RESP, https://redis.io/docs/reference/protocol-spec */
import { ascii, type Dialogue, type DialogueStep, NEED_MORE, quote } from "./dialogue.ts";
import { type CheckResult, failure, success, wrongAnswer } from "./monitor.ts";
import { concatBytes } from "../platform/bytes.ts";

const LONGEST_LINE = 512;

export class RedisDialogue implements Dialogue {
  readonly opening = ascii("*1\r\n$4\r\nPING\r\n");
  #heard: Uint8Array = new Uint8Array(0);

  onData(bytes: Uint8Array): DialogueStep {
    this.#heard = concatBytes(this.#heard, bytes);
    const end = this.#heard.indexOf(10);
    if (end < 0 && this.#heard.length < LONGEST_LINE) return NEED_MORE;
    const line = new TextDecoder().decode(this.#heard.subarray(0, end < 0 ? LONGEST_LINE : end));
    const answer = line.trimEnd();
    if (answer === "+PONG") return { result: success("PONG") };
    // "-LOADING Redis is loading the dataset in memory", "-NOAUTH Authentication required."
    const text = answer.startsWith("-") ? answer.slice(1) : `it answered ${quote(this.#heard)}`;
    return { result: wrongAnswer(text) };
  }

  onEnd(): CheckResult {
    return failure("it closed the connection: no answer");
  }

  get timeoutDetail(): string {
    return this.#heard.length === 0 ? "no answer" : `it answered ${quote(this.#heard)}`;
  }
}
