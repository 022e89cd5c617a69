/**
 * The old baton's side of an upgrade: starts the new one, hears from it, and ends it if it must.
 *
 * Reports exactly one of `onServing` and `onFailed`. A new baton that is silent for too long has
 * failed; so has one that ends, says so, or cannot be executed.
 */
import { errorText, SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { hide } from "../../platform/process/hidden_environment.ts";
import type { Platform } from "../../platform/platform.ts";
import { processTree } from "../../platform/process/proc.ts";
import type { Watch } from "../../platform/reactor.ts";
import { resolveProgram } from "../../launcher/resolve.ts";
import {
  FIRST_HANDOVER_DESCRIPTOR,
  HANDOVER_ENV,
  HANDOVER_VERSION,
  type HandoverState,
  MESSAGE_LIMIT,
  parseMessage,
} from "./protocol.ts";
import { C } from "../../platform/libc/constants.ts";

/** A new baton says hello before it starts anything: this long after its exec at the latest. */
const HELLO_TIMEOUT_MS = 10_000;
/** For the new baton itself, on top of its generation's time to get ready. */
const RESERVE_MS = 10_000;

interface SuccessorOptions {
  /** The new program, and its arguments up to baton's own. */
  readonly program: string;
  readonly prefix: readonly string[];
  /** Arguments of baton, as this one was started. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly state: HandoverState;
  readonly lock: Fd;
  readonly members: readonly Fd[];
  readonly readyTimeoutMs: number;
  readonly onServing: (epoch: number) => void;
  readonly onFailed: (reason: string) => void;
}

export class Successor {
  readonly pid: number;
  readonly #control: Fd;
  readonly #watch: Watch;
  #timer: ReturnType<typeof setTimeout>;
  #settled = false;

  /** @throws {Error} when it cannot be started */
  constructor(readonly platform: Platform, readonly options: SuccessorOptions) {
    const { sockets, descriptors, processes, reactor } = platform;
    const { program, env: { PATH }, directory } = options;
    const resolution = resolveProgram(program, PATH, directory, platform.files);
    if (resolution.kind === "failed") throw new Error(resolution.message);
    const [ours, theirs] = sockets.pair();
    const text = new TextEncoder().encode(JSON.stringify(options.state));
    using state = descriptors.sealedMemfd("baton-handover", text);
    // It reads its arguments where this one read them, if that directory is still there.
    const moved = processes.entersDirectory(options.directory);
    try {
      this.pid = processes.spawn({
        path: resolution.path,
        argv: [options.program, ...options.prefix, ...options.argv],
        env: {
          ...hide(platform.runtime, options.env),
          [HANDOVER_ENV]: String(FIRST_HANDOVER_DESCRIPTOR),
        },
        descriptors: [0, 1, 2, theirs, state, options.lock, ...options.members],
      });
    } catch (error) {
      ours.close();
      if (!(error instanceof SystemCallError)) throw error;
      throw new Error(`Cannot execute ${resolution.path}: ${error.code}`);
    } finally {
      if (moved) processes.changeDirectory("/");
      theirs.close();
    }
    this.#control = ours;
    this.#watch = reactor.watch(ours, () => this.#onMessage());
    this.#timer = this.#deadline(HELLO_TIMEOUT_MS, "it did not say hello: is it a baton?");
  }

  #deadline(delayMs: number, reason: string): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#fail(`${reason} (${delayMs / 1000} s)`), delayMs);
  }

  #onMessage(): void {
    try {
      const message = this.platform.descriptors.receive(this.#control, MESSAGE_LIMIT);
      if (message === null) return this.#watch.arm();
      message.fds.forEach((fd) => fd.close());
      if (message.data.length === 0) return this.#fail("the new baton ended before it served");
      this.#understand(message.data);
    } catch (error) {
      return this.#fail(errorText(error));
    }
    if (this.#control.isOpen) this.#watch.arm();
  }

  #understand(data: Uint8Array): void {
    const message = parseMessage(data);
    switch (message.kind) {
      case "hello":
        if (message.version !== HANDOVER_VERSION) {
          return this.#fail(
            `the new baton speaks handover version ${message.version}, this one ${HANDOVER_VERSION}`,
          );
        }
        clearTimeout(this.#timer);
        this.#timer = this.#deadline(
          this.options.readyTimeoutMs + RESERVE_MS,
          "it did not say that it serves",
        );
        return;
      case "failed":
        return this.#fail(message.reason);
      case "serving":
        this.#settled = true;
        clearTimeout(this.#timer);
        // The control socket stays open until this process ends: its end tells the new baton so.
        return this.options.onServing(message.epoch);
    }
  }

  #fail(reason: string): void {
    if (this.#settled) return;
    this.#settled = true;
    this.abort();
    this.options.onFailed(reason);
  }

  /** Ends the new baton and whatever it has started, if it has not taken over. */
  abort(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    for (const pid of processTree(this.pid)) this.platform.processes.signal(pid, C.SIGKILL);
    this.#watch.cancel();
    this.#control.close();
  }
}
