/**
 * A helper: a child process that baton starts for one job and talks to over a socket pair. It is this very program under
 * a hidden verb, or another version of it.
 *
 * On the descriptor behind those it is given, the helper finds its end of the socket (SOCK_SEQPACKET), and on the next
 * one its plan, if it has one: JSON in a sealed memfd. Only `Symbol.dispose` reaps it.
 */
import { jsonBytes } from "../bytes.ts";
import type { Timer } from "../clock.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Message } from "../network/passed_descriptors.ts";
import type { Platform } from "../platform.ts";
import type { Watch } from "../reactor.ts";
import { helperEnvironment } from "./hidden_environment.ts";
import { processTree } from "./proc.ts";

/** Longest message from a helper. */
export const HELPER_MESSAGE_LIMIT = 32 * 1024;

/** What is executed. */
export interface HelperProgram {
  readonly path: string;
  /** The program's name, and all arguments in front of the verb. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Directory where it starts. If that is gone, or null: where this process is, which afterwards is "/" again. */
  readonly directory: string | null;
}

export interface HelperOptions {
  /** What is started. @default this very program */
  readonly program?: HelperProgram;
  /** The hidden verb. The number of the control descriptor follows it, and then `args`. */
  readonly verb?: string;
  readonly args?: readonly string[];
  /** Descriptors that become 0, 1, 2, ... of the helper. */
  readonly descriptors: readonly (Fd | number)[];
  /** What the helper is to do: anything that JSON can hold. */
  readonly plan?: unknown;
  /** Descriptors that come behind the plan's. */
  readonly further?: readonly Fd[];
}

interface HelperEvents {
  /** Gets a message, and owns its descriptors. */
  readonly onMessage: (message: Message) => void;
  /** The helper has closed its end. @param error set when it has left messages unread: ECONNRESET */
  readonly onClosed: (error: unknown) => void;
}

export class HelperProcess implements Disposable {
  readonly pid: number;
  readonly #control: Fd;
  #events: HelperEvents | null = null;
  #watch: Watch | null = null;
  #deadline: Timer | null = null;

  /** @throws {SystemCallError} when it cannot be started */
  constructor(readonly platform: Platform, options: HelperOptions) {
    const [ours, theirs] = platform.sockets.pair();
    this.#control = ours;
    try {
      using control = theirs;
      this.pid = spawnHelper(platform, options, control);
    } catch (error) {
      ours.close();
      throw error;
    }
  }

  /** @throws {SystemCallError} when the helper has ended, or does not read for as long as `awaitMessage` waited */
  send(data: Uint8Array, fds: readonly Fd[] = []): void {
    this.platform.descriptors.send(this.#control, data, fds);
  }

  /** Blocks. @throws {Error} when no message came in time, or the helper has closed its end */
  awaitMessage(timeoutMs: number): Message {
    const { sockets, descriptors } = this.platform;
    // For what is sent later; here it would begin again with each signal.
    sockets.setTimeouts(this.#control, timeoutMs);
    const message = descriptors.hasInput(this.#control, timeoutMs)
      ? descriptors.receive(this.#control, HELPER_MESSAGE_LIMIT)
      : null;
    if (message === null) throw new Error(`no report within ${timeoutMs} ms`);
    if (message.data.length === 0) throw new Error("it ended without a report");
    return message;
  }

  /** From now on, messages and the end of the connection are delivered as they come. Replaces `events` of before. */
  listen(events: HelperEvents): void {
    this.#events = events;
    this.#watch ??= this.platform.reactor.watch(this.#control, () => this.readMessages());
  }

  /** Blocks until a message is there, or `timeoutMs` are over, and delivers what has come. */
  readMessagesWithin(timeoutMs: number): void {
    if (this.#control.isOpen && this.platform.descriptors.hasInput(this.#control, timeoutMs)) {
      this.readMessages();
    }
  }

  /** Delivers what has come. For when the helper's exit is known before its last message was read. */
  readMessages(): void {
    const { descriptors } = this.platform;
    while (this.#control.isOpen) {
      let message: Message | null;
      try {
        message = descriptors.receive(this.#control, HELPER_MESSAGE_LIMIT, C.MSG_DONTWAIT);
      } catch (error) {
        return this.#onClosed(error);
      }
      if (message === null) return this.#watch?.arm();
      if (message.data.length === 0) return this.#onClosed(null);
      this.#events?.onMessage(message);
    }
  }

  #onClosed(error: unknown): void {
    this.disconnect();
    this.#events?.onClosed(error);
  }

  /** Sets a deadline, in place of the one before it. */
  setDeadline(delayMs: number, onExpired: () => void): void {
    this.clearDeadline();
    this.#deadline = this.platform.clock.after(delayMs, onExpired);
  }

  clearDeadline(): void {
    this.#deadline?.cancel();
    this.#deadline = null;
  }

  /** Disconnects: the helper reads the end of the connection, and nothing is delivered any more. */
  disconnect(): void {
    this.clearDeadline();
    this.#watch?.cancel();
    this.#control.close();
  }

  /** Kills the helper with everything that it has started, and disconnects. */
  kill(): void {
    for (const pid of processTree(this.pid)) this.platform.processes.signal(pid, C.SIGKILL);
    this.disconnect();
  }

  /** Kills it, and waits until it is gone. */
  [Symbol.dispose](): void {
    const { libc } = this.platform;
    this.kill();
    libc.retry(() => libc.c.waitpid(this.pid, null, 0));
  }
}

function spawnHelper(platform: Platform, options: HelperOptions, control: Fd): number {
  const { descriptors, processes } = platform;
  const { program = ownProgram(platform), verb, args = [], plan, further = [] } = options;
  using memory = plan === undefined ? null : descriptors.sealedMemfd("baton-plan", jsonBytes(plan));
  const words = verb === undefined ? [] : [verb, String(options.descriptors.length)];
  const { directory } = program;
  const hasMoved = directory !== null && processes.entersDirectory(directory);
  try {
    return processes.spawn({
      path: program.path,
      argv: [...program.argv, ...words, ...args],
      env: program.env,
      descriptors: [...options.descriptors, control, memory, ...further].filter((fd) =>
        fd !== null
      ),
    });
  } finally {
    if (hasMoved) processes.changeDirectory("/");
  }
}

export function ownProgram({ runtime }: Platform): HelperProgram {
  const [path = "", ...prefix] = runtime.selfCommand;
  return { path, argv: ["baton", ...prefix], env: helperEnvironment(runtime), directory: null };
}
