/**
 * One check over a TCP connection of its own, which reaches the generation that is meant and no other:
 * the socket has its source port before it connects, and until the connection is made that port, and
 * nobody else's, is led to the generation. Never blocks; ends at its time-out at the latest.
 *
 * What fails before it connects is not the server's: descriptors and local ports can be used up by others.
 */
import type { InetAddress } from "../platform/network/address.ts";
import { connectingFailure, startConnecting } from "../platform/network/nonblocking_connect.ts";
import { errorText, SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { Readiness, Watch } from "../platform/reactor.ts";
import type { RunningCheck } from "./check_loop.ts";
import type { Dialogue } from "./dialogue.ts";
import { type CheckOutcome, failure, skipped } from "./monitor.ts";
import { concatBytes } from "../platform/bytes.ts";

const CHUNK = 16 * 1024;

/** How a generation is reached. */
export interface CheckRoute {
  /** Where the connection comes from; its port is 0. */
  readonly source: InetAddress;
  readonly target: InetAddress;
  /** A socket of that family, without an address. */
  stream(): Fd;
  /** Connections from `port` of the source go to the generation, until this is called with null. */
  steerPort(port: number | null): void;
  /** One is led at a time. */
  readonly mutex: { enter(turn: () => void): void; leave(): void };
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
  #timer: ReturnType<typeof setTimeout> | null = null;
  #unsent: Uint8Array = new Uint8Array(0);
  #isLed = false;
  #isConnected = false;
  #isOver = false;

  constructor(readonly platform: Platform, readonly options: ConnectionCheckOptions) {
    options.route.mutex.enter(() => this.#begin());
  }

  cancel(): void {
    this.#isOver = true;
    this.#close();
  }

  #begin(): void {
    const { route: way, timeoutMs } = this.options;
    if (this.#isOver) return way.mutex.leave();
    this.#isLed = true;
    this.#timer = setTimeout(() => this.#finish(failure(this.#lateness)), timeoutMs);
    const result = attempted(() => this.#prepare(way), skipped) ??
      attempted(() => startConnecting(this.platform.sockets, this.#socket!, way.target), failure) ??
      attempted(() => this.#watchSocket(), skipped);
    if (result === null) return;
    this.#close();
    // Not now: whoever asked has not got its attempt yet.
    this.#timer = setTimeout(() => this.#finish(result), 0);
  }

  #prepare(way: CheckRoute): void {
    const { sockets, descriptors } = this.platform;
    const socket = this.#socket = way.stream();
    descriptors.setNonblocking(socket);
    sockets.bindInet(socket, way.source);
    way.steerPort(sockets.localAddress(socket)?.port ?? null);
  }

  #watchSocket(): void {
    const onReady = (ready: Readiness) => this.#onReady(ready);
    this.#watch = this.platform.reactor.watch(this.#socket!, onReady, { write: true });
  }

  get #lateness(): string {
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
    const { route: way, dialogue } = this.options;
    const failed = connectingFailure(this.platform.sockets, this.#socket!, way.target);
    if (failed !== null) return this.#finish(failure(connectingText(failed)));
    this.#isConnected = true;
    this.#letGo();
    this.#say(dialogue.opening);
    if (dialogue.resultOnConnect !== null) this.#finish(dialogue.resultOnConnect);
  }

  #say(bytes: Uint8Array): void {
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
    if (say !== undefined) this.#say(say);
  }

  #finish(result: CheckOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#close();
    this.options.onResult(result);
  }

  #letGo(): void {
    if (!this.#isLed) return;
    this.#isLed = false;
    const { route: way } = this.options;
    try {
      way.steerPort(null);
    } catch {
      // What is led stays led: to a port that nobody has any more.
    }
    way.mutex.leave();
  }

  #close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#watch?.cancel();
    this.#watch = null;
    this.#socket?.close();
    this.#socket = null;
    this.#letGo();
  }
}

/** @returns null when it went well; else what `meaning` makes of the error */
function attempted(
  step: () => void,
  meaning: (text: string) => CheckOutcome,
): CheckOutcome | null {
  try {
    step();
    return null;
  } catch (error) {
    return meaning(connectingText(error));
  }
}

function connectingText(error: unknown): string {
  if (error instanceof SystemCallError && error.errno === C.ECONNREFUSED) return "refused";
  return errorText(error);
}
