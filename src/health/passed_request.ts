/** A health check that somebody else sends and the server answers: the request as it came, and the answer as it is. */
import type { Platform } from "../platform/platform.ts";
import type { InetAddress } from "../platform/network/address.ts";
import { formatAddress } from "../platform/network/address.ts";
import { ConnectionCheck } from "./connection_check.ts";
import { ascii, type Dialogue, type DialogueStep, NEED_MORE } from "./dialogue.ts";
import { HttpAnswer } from "./http_answer.ts";
import { type CheckResult, failure, success } from "./monitor.ts";

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

interface PassedRequest {
  readonly address: InetAddress;
  readonly target: string;
  readonly headers: Headers;
  readonly timeoutMs: number;
}

/** About this connection, or about a body, which a health check has not. */
const OWN_HEADERS: readonly string[] = [
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "te",
  "transfer-encoding",
  "upgrade",
];

/** @returns null when the server does not answer in time */
export function passRequest(
  platform: Platform,
  { address, target, headers, timeoutMs }: PassedRequest,
): Promise<Answer | null> {
  const { sockets } = platform;
  const { promise, resolve } = Promise.withResolvers<Answer | null>();
  const dialogue = new PassingDialogue(target, headers, formatAddress(address));
  new ConnectionCheck(platform, {
    dialogue,
    timeoutMs,
    // Where clients go: nothing is steered.
    route: {
      text: formatAddress(address),
      stream: () => sockets.stream(address.family),
      aim: () => {},
      connect: (socket) => sockets.startConnecting(socket, address),
      release: () => {},
      mutex: { enter: (turn) => turn(), leave: () => {} },
    },
    onResult: () => resolve(dialogue.result),
  });
  return promise;
}

class PassingDialogue implements Dialogue {
  readonly opening: Uint8Array;
  readonly timeoutDetail = "no answer";
  readonly #answer = new HttpAnswer();

  constructor(target: string, headers: Headers, host: string) {
    const passed = [...headers].filter(([name]) => !OWN_HEADERS.includes(name));
    const lines = [
      `GET ${target} HTTP/1.1`,
      ...headers.has("host") ? [] : [`Host: ${host}`],
      ...passed.map(([name, value]) => `${name}: ${value}`),
      "Connection: close",
    ];
    this.opening = ascii(`${lines.join("\r\n")}\r\n\r\n`);
  }

  onData(bytes: Uint8Array): DialogueStep {
    this.#answer.add(bytes);
    if (this.#answer.isBroken) return { result: failure("its answer is not HTTP/1") };
    return this.#answer.isComplete ? { result: success("answered") } : NEED_MORE;
  }

  onEnd(): CheckResult {
    this.#answer.end();
    return this.#answer.isComplete ? success("answered") : failure(this.timeoutDetail);
  }

  get result(): Answer | null {
    const { head, isComplete, isBroken, body } = this.#answer;
    if (head === null || !isComplete || isBroken) return null;
    return { status: head.status, type: head.headers.get("content-type") ?? null, body };
  }
}
