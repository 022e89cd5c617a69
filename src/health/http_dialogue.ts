/**
 * An HTTP check: one request, and the rules for its answer. The status decides, then the service's name and the body if
 * the configuration names them.
 */
import type { StatusRange } from "../config/values/check_values.ts";
import { ascii, type Dialogue, type DialogueStep, NEED_MORE } from "./dialogue.ts";
import { HttpAnswer, type HttpHead } from "./http_answer.ts";
import { type CheckResult, failure, success, wrongAnswer } from "./monitor.ts";

/** The answering server's name, in a header that Envoy's health check filter adds. */
const SERVICE_HEADER = "x-envoy-upstream-healthchecked-cluster";
/** The answering generation: a server may send its BATON_EPOCH there. */
const EPOCH_HEADER = "x-baton-epoch";

export interface HttpCheckOptions {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly expected: readonly StatusRange[];
  /** Unexpected statuses that count as a failure, not as a wrong answer. */
  readonly retriable: readonly StatusRange[];
  readonly body: RegExp | null;
  readonly serviceName: string | null;
  /** Epoch of the checked generation. */
  readonly epoch: number;
  /** Whether another generation may answer, so that only an answer with its epoch counts. */
  readonly mustIdentify: boolean;
}

export class HttpDialogue implements Dialogue {
  readonly opening: Uint8Array;
  readonly #answer = new HttpAnswer();

  constructor(readonly options: HttpCheckOptions) {
    const { method, path, host } = options;
    const lines = [
      `${method} ${path} HTTP/1.1`,
      `Host: ${host}`,
      "User-Agent: baton-health-check",
      "Accept: */*",
      // Without it the server would keep the connection open for more requests.
      "Connection: close",
      ...method === "POST" ? ["Content-Length: 0"] : [],
    ];
    this.opening = ascii(`${lines.join("\r\n")}\r\n\r\n`);
  }

  onData(bytes: Uint8Array): DialogueStep {
    const answer = this.#answer;
    answer.add(bytes);
    if (answer.isBroken) return { result: failure("its answer is not HTTP/1") };
    if (answer.head === null) return NEED_MORE;
    const result = this.#judgeHead(answer.head);
    if (result !== null) return { result };
    return answer.isComplete ? { result: this.#judgeBody(answer.head) } : NEED_MORE;
  }

  onEnd(): CheckResult {
    const { head } = this.#answer;
    this.#answer.end();
    if (head === null || !this.#answer.isComplete) {
      return failure(`it closed the connection: ${this.timeoutDetail}`);
    }
    return this.#judgeBody(head);
  }

  get timeoutDetail(): string {
    const { head, isEmpty } = this.#answer;
    if (head !== null) return `status ${head.status}, and an unfinished body`;
    return isEmpty ? "no answer" : "an unfinished answer";
  }

  /** @returns null: the body decides */
  #judgeHead(head: HttpHead): CheckResult | null {
    const { epoch, mustIdentify, expected, retriable, serviceName } = this.options;
    const answeredBy = head.headers.get(EPOCH_HEADER);
    if (answeredBy !== undefined && answeredBy !== String(epoch)) {
      return failure(`generation ${answeredBy} answered`);
    }
    if (answeredBy === undefined && mustIdentify) {
      return wrongAnswer(
        `all generations share this socket, and the answer does not tell which one it is from ` +
          `(no header ${EPOCH_HEADER} with its BATON_EPOCH)`,
      );
    }
    const text = `status ${head.status}`;
    if (!isIn(expected, head.status)) {
      return isIn(retriable, head.status) ? failure(text) : wrongAnswer(text);
    }
    if (serviceName !== null) {
      const service = head.headers.get(SERVICE_HEADER);
      if (service === undefined) return wrongAnswer(`${text}, without header ${SERVICE_HEADER}`);
      if (service !== serviceName) return wrongAnswer(`${text}, from service ${service}`);
    }
    return this.options.body === null ? success(text) : null;
  }

  #judgeBody({ status }: HttpHead): CheckResult {
    const { body } = this.options;
    const text = `status ${status}`;
    if (body === null || body.test(this.#answer.body)) return success(text);
    return wrongAnswer(`${text}, and the body does not match /${body.source}/`);
  }
}

function isIn(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(({ from, to }) => status >= from && status <= to);
}
