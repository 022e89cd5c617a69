/**
 * One check over its own connection, which reaches the intended generation and no other: until it is connected the route
 * leads there. Never blocks; ends at its timeout at the latest.
 *
 * A failure before connect(2) is not the server's: other processes may have used up descriptors or local ports.
 */
import { errorText, SystemCallError } from "../platform/error.ts";
import type { Timer } from "../platform/clock.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { Readiness, Watch } from "../platform/reactor.ts";
import type { RunningCheck } from "./check_loop.ts";
import type { Dialogue } from "./dialogue.ts";
import { type CheckOutcome, failure, skipped } from "./monitor.ts";
import { concatBytes } from "../platform/bytes.ts";

const CHUNK = 16 * 1024;

/** How to reach a generation. */
export interface CheckRoute {
  /** "127.0.0.1:8080" */
  readonly text: string;
  /** @returns a socket of its family, not bound yet */
  stream(): Fd;
  /** From here on a connection of `socket`, which does not block, leads to the generation, until `release`. */
  aim(socket: Fd): void;
  /** The socket becomes writable when it has connected, or failed. @throws {SystemCallError} when it has failed already */
  connect(socket: Fd): void;
  release(): void;
  /** Only one connection is led at a time. */
  readonly mutex: { enter(turn: () => void): void; leave(): void };
}

/** The Host of a request on that way: a path is no host name, and Envoy answers such a header with 400. */
export function hostOf({ text }: Pick<CheckRoute, "text">): string {
  return /[/@]/.test(text) ? "localhost" : text;
}

interface ConnectionCheckOptions {
  readonly route: CheckRoute;
  readonly dialogue: Dialogue;
  readonly timeoutMs: number;
  readonly onResult: (result: CheckOutcome) => void;
}

export class ConnectionCheck implements RunningCheck {
  #socket: Fd | null = null;
  #watch: Watch | null = null;
  #timer: Timer | null = null;
  #unsent: Uint8Array = new Uint8Array(0);
  #isSteered = false;
  #isConnected = false;
  #isOver = false;

  constructor(readonly platform: Platform, readonly options: ConnectionCheckOptions) {
    options.route.mutex.enter(() => this.#start());
  }

  cancel(): void {
    this.#isOver = true;
    this.#close();
  }

  #start(): void {
    const { route, timeoutMs } = this.options;
    if (this.#isOver) return route.mutex.leave();
    this.#isSteered = true;
    this.#timer = this.platform.clock.after(
      timeoutMs,
      () => this.#finish(failure(this.#timeoutText)),
    );
    const result = attempted(() => this.#prepare(route), skipped) ??
      attempted(
        () => route.connect(this.#socket!),
        failure,
      ) ??
      attempted(() => this.#watchSocket(), skipped);
    if (result === null) return;
    this.#close();
    // Not reported at once: the caller does not have this object yet.
    this.#timer = this.platform.clock.after(0, () => this.#finish(result));
  }

  #prepare(route: CheckRoute): void {
    const socket = this.#socket = route.stream();
    this.platform.descriptors.setNonblocking(socket);
    route.aim(socket);
  }

  #watchSocket(): void {
    const onReady = (ready: Readiness) => this.#onReady(ready);
    this.#watch = this.platform.reactor.watch(this.#socket!, onReady, { write: true });
  }

  get #timeoutText(): string {
    const seconds = `${this.options.timeoutMs / 1000} s`;
    if (!this.#isConnected) return `no connection within ${seconds}`;
    return `${this.options.dialogue.timeoutDetail} within ${seconds}`;
  }

  #onReady(ready: Readiness): void {
    try {
      if (!this.#isConnected) this.#onConnected();
      else {
        if (ready.writable) this.#send();
        if (ready.readable || ready.hangup) this.#receive();
      }
      if (this.#socket !== null) this.#watch?.arm({ read: true, write: this.#unsent.length > 0 });
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const how = error.errno === C.ECONNRESET || error.errno === C.EPIPE
        ? "it reset the connection"
        : error.message;
      this.#finish(failure(`${how}: ${this.options.dialogue.timeoutDetail}`));
    }
  }

  #onConnected(): void {
    const { route, dialogue } = this.options;
    const failed = this.platform.sockets.connectingFailure(this.#socket!, route.text);
    if (failed !== null) return this.#finish(failure(connectingText(failed)));
    this.#isConnected = true;
    this.#stopSteering();
    this.#queue(dialogue.opening);
    if (dialogue.resultOnConnect) this.#finish(dialogue.resultOnConnect);
  }

  #queue(bytes: Uint8Array): void {
    this.#unsent = concatBytes(this.#unsent, bytes);
    this.#send();
  }

  #send(): void {
    if (this.#unsent.length === 0) return;
    const count = this.platform.descriptors.write(this.#socket!, this.#unsent);
    this.#unsent = this.#unsent.subarray(count ?? 0);
  }

  #receive(): void {
    const { dialogue } = this.options;
    const bytes = this.platform.descriptors.read(this.#socket!, new Uint8Array(CHUNK));
    if (bytes === null) return;
    if (bytes.length === 0) return this.#finish(dialogue.onEnd());
    const { send: say, result } = dialogue.onData(bytes);
    if (result !== undefined) return this.#finish(result);
    if (say !== undefined) this.#queue(say);
  }

  #finish(result: CheckOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#close();
    this.options.onResult(result);
  }

  #stopSteering(): void {
    if (!this.#isSteered) return;
    this.#isSteered = false;
    const { route } = this.options;
    try {
      route.release();
    } catch {
      // A closed port stays steered, which is harmless.
    }
    route.mutex.leave();
  }

  #close(): void {
    this.#timer?.cancel();
    this.#watch?.cancel();
    this.#watch = null;
    this.#socket?.close();
    this.#socket = null;
    this.#stopSteering();
  }
}

/** @returns null on success, otherwise the outcome of the error */
function attempted(
  step: () => void,
  toOutcome: (text: string) => CheckOutcome,
): CheckOutcome | null {
  try {
    step();
    return null;
  } catch (error) {
    return toOutcome(connectingText(error));
  }
}

function connectingText(error: unknown): string {
  if (!(error instanceof SystemCallError)) return errorText(error);
  if (error.errno === C.ECONNREFUSED) return "refused";
  // EAGAIN is of unix(7) only: TCP drops the handshake instead, which ends as a time-out.
  return error.errno === C.EAGAIN ? "its accept queue is full" : error.message;
}
