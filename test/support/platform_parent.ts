/**
 * The test's end of `platform_child.ts`: starts it, asks it, ends it.
 *
 * `await using child = await startPlatformChild(platform)`. `ask` waits in one system call with a time-out,
 * on purpose: no event loop takes part in what is tested. `send` and `answer` are its halves, for requests
 * that the child can only finish with our help.
 */
import { fileURLToPath } from "node:url";
import type { Fd } from "../../src/platform/fd.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { Reaped } from "../../src/platform/process/wait_status.ts";
import { runtimeCommand } from "./test_platform.ts";
import { waitUntil } from "./wait_until.ts";

const SCRIPT = fileURLToPath(new URL("platform_child.ts", import.meta.url).href);
const MESSAGE_LIMIT = 16 * 1024;
const ANSWER_TIMEOUT_MS = 20_000;
const SIGKILL = 9;

export type ChildRequest =
  | { readonly kind: "ping" | "status" | "resetSignals" }
  | {
    readonly kind: "installFilter";
    readonly calls: readonly number[];
    readonly noNewPrivileges: boolean;
  }
  | { readonly kind: "bind"; readonly address: { readonly host: string; readonly port: number } }
  | { readonly kind: "listen"; readonly descriptor: number; readonly backlog: number }
  | { readonly kind: "localPort"; readonly descriptor: number }
  | {
    readonly kind: "waitForConnection";
    readonly descriptor: number;
    readonly how: "accept" | "poll" | "ppoll" | "select" | "select(3)" | "epoll";
  }
  | { readonly kind: "receiveSlowly"; readonly timeoutMs: number }
  | { readonly kind: "signalOnParentDeath"; readonly signal: number }
  | { readonly kind: "closeOnExecFrom"; readonly first: number }
  | { readonly kind: "setFileLimit"; readonly soft: number }
  | { readonly kind: "changeDirectory" | "lock"; readonly path: string }
  | {
    readonly kind: "exec";
    readonly path: string;
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  };

export interface ChildAnswer<T> {
  readonly value: T;
  readonly fds: readonly Fd[];
}

/** What the child's request failed with. */
export interface ChildFailure {
  readonly call: string;
  readonly code: string;
  readonly subject: string;
}

export class ChildError extends Error {
  constructor(readonly failure: ChildFailure) {
    super(`Cannot ${failure.call} ${failure.subject}: ${failure.code}`);
  }
}

export class PlatformChild implements AsyncDisposable {
  /** Its end, once it was reaped. */
  end: Reaped | null = null;

  constructor(readonly platform: Platform, readonly pid: number, readonly control: Fd) {}

  send(request: ChildRequest): void {
    this.sendText(JSON.stringify(request));
  }

  sendText(text: string): void {
    this.platform.descriptors.send(this.control, new TextEncoder().encode(text));
  }

  /** @throws {ChildError} when the request failed. @throws {Error} when no answer came in time */
  answer<T = unknown>(): ChildAnswer<T> {
    const message = this.platform.descriptors.receive(this.control, MESSAGE_LIMIT);
    if (message === null) throw new Error(`Process ${this.pid} has not answered in time`);
    if (message.data.length === 0) throw new Error(`Process ${this.pid} has closed its socket`);
    const { value, failed } = JSON.parse(new TextDecoder().decode(message.data));
    if (failed) throw new ChildError(failed);
    return { value, fds: message.fds };
  }

  ask<T = unknown>(request: ChildRequest): ChildAnswer<T> {
    this.send(request);
    return this.answer<T>();
  }

  kill(signal: number): void {
    this.platform.processes.signal(this.pid, signal);
  }

  /** Waits for its end and reaps it. */
  ended(): Promise<Reaped> {
    return waitUntil(() => this.end ??= this.platform.processes.reap(this.pid), {
      what: `process ${this.pid} has ended`,
      deadlineMs: ANSWER_TIMEOUT_MS,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.end === null) this.kill(SIGKILL);
    await this.ended();
    this.control.close();
  }
}

/** @param wrapper words in front of the runtime; its pid is then the child's parent or itself */
export function startPlatformChild(
  platform: Platform,
  wrapper: readonly string[] = [],
): PlatformChild {
  const { processes, runtime, sockets } = platform;
  const argv = [...wrapper, ...runtimeCommand(SCRIPT)];
  const [ours, theirs] = sockets.pair();
  sockets.setTimeouts(ours, ANSWER_TIMEOUT_MS);
  try {
    const pid = processes.spawn({
      path: argv[0]!,
      argv,
      env: runtime.env(),
      descriptors: [0, 2, 2, theirs],
    });
    return new PlatformChild(platform, pid, ours);
  } catch (error) {
    ours.close();
    throw error;
  } finally {
    theirs.close();
  }
}
