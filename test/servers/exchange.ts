/**
 * One exchange in a server's own protocol, on a connection of its own: what is sent, and what the answer must look like.
 * Bytes are Latin-1 text. It never retries; what goes wrong has one of the causes in `Failure`.
 */
import { connect as connectTo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Step {
  /** Sent first; without it the server speaks first. */
  readonly send?: string;
  /** What must be in all that has come since the step before. Text: how it begins. */
  readonly expect: RegExp | string;
}

export interface Exchange {
  readonly steps: readonly Step[];
  readonly isTls?: boolean;
  /** For servers that are slow by themselves. @default 10 000 */
  readonly timeoutMs?: number;
}

export type Failure =
  | "not yet"
  | "refused"
  | "reset"
  | "eof"
  | "unexpected"
  | "timed out"
  | "other";

export class ExchangeError extends Error {
  constructor(readonly failure: Failure, detail: string) {
    super(`${failure}: ${detail}`);
  }
}

const TIMEOUT_MS = 10_000;
/** What no answer of these rows exceeds. */
const MAX_ANSWER_LENGTH = 64 * 1024;

/** HTTP/1.0, so that the server closes, and an answer with this in it. */
export function http(expected: RegExp, path = "/"): Exchange {
  const send = `GET ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`;
  const whole = new RegExp(`^HTTP/1\\.\\d \\d{3} [^]*\\r\\n\\r\\n[^]*${expected.source}`);
  return { steps: [{ send, expect: whole }] };
}

/** A server that greets. */
export function greeting(expect: RegExp | string): Exchange {
  return { steps: [{ expect }] };
}

export function asks(send: string, expect: RegExp | string): Exchange {
  return { steps: [{ send, expect }] };
}

/** A port of 127.0.0.1, or the path of a Unix socket. */
export type Place = number | string;

/** Resolves to the answer to the last step. @throws {ExchangeError} */
export function exchange(place: Place, what: Exchange): Promise<string> {
  const address = typeof place === "string" ? { path: place } : { host: "127.0.0.1", port: place };
  const socket: Socket = what.isTls
    ? connectTls({ ...address, rejectUnauthorized: false })
    : connectTo(address);
  return new Promise((resolve, reject) => {
    let at = -1;
    let answer = "";
    const end = (error: ExchangeError | null) => {
      clearTimeout(timer);
      socket.destroy();
      if (error === null) resolve(answer);
      else reject(error);
    };
    const fail = (failure: Failure, detail: string) =>
      end(new ExchangeError(failure, `${detail}, after ${JSON.stringify(answer.slice(0, 200))}`));
    const advance = () => {
      at++;
      const step = what.steps[at];
      if (step === undefined) return end(null);
      answer = "";
      if (step.send !== undefined) socket.write(step.send, "latin1");
    };
    const timeoutMs = what.timeoutMs ?? TIMEOUT_MS;
    const timer = setTimeout(
      () => fail("timed out", `step ${at + 1} of ${what.steps.length}, ${timeoutMs} ms`),
      timeoutMs,
    );
    socket.once(what.isTls ? "secureConnect" : "connect", advance);
    socket.on("data", (bytes) => {
      answer += bytes.toString("latin1");
      const expected = what.steps[at]?.expect ?? "";
      if (typeof expected === "string" ? answer.startsWith(expected) : expected.test(answer)) {
        advance();
      } else if (answer.length > MAX_ANSWER_LENGTH) fail("unexpected", "the answer is too long");
    });
    socket.on("error", (error: Error & { code?: string }) => fail(causeOf(error), error.message));
    socket.on("close", () => {
      fail(answer === "" ? "eof" : "unexpected", `the connection ended at step ${at + 1}`);
    });
  });
}

function causeOf({ code }: { code?: string }): Failure {
  // A Unix socket without its path.
  if (code === "ECONNREFUSED" || code === "ENOENT") return "refused";
  return code === "ECONNRESET" || code === "EPIPE" ? "reset" : "other";
}
