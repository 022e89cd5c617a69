/**
 * The old baton's side of an upgrade by a child: starts the new baton, follows what it says, and kills it if necessary.
 *
 * Exactly one of `onServing` and `onFailed` is called. A new baton that is silent for too long has failed; so has one that
 * exits, says so, or cannot be executed.
 */
import { errorText } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import type { HelperProcess } from "../../platform/process/helper_process.ts";
import { type NewProgram, startNewProgram } from "./new_program.ts";
import { HANDOVER_ENV, HANDOVER_VERSION, type HandoverState, parseMessage } from "./protocol.ts";

/** A new baton says hello before it starts anything: this long after its exec at the latest. */
const HELLO_TIMEOUT_MS = 10_000;
/** For the new baton itself, on top of its generation's time to get ready. */
const RESERVE_MS = 10_000;
/** Of the control socket, behind standard input, output and error. */
const CONTROL_DESCRIPTOR = 3;

interface SuccessorOptions {
  readonly program: NewProgram;
  readonly state: HandoverState;
  readonly lock: Fd;
  readonly members: readonly Fd[];
  readonly readyTimeoutMs: number;
  readonly onServing: (epoch: number) => void;
  readonly onFailed: (reason: string) => void;
}

export class Successor {
  readonly #helper: HelperProcess;
  #settled = false;

  /** @throws {Error} when it cannot be started */
  constructor(platform: Platform, readonly options: SuccessorOptions) {
    const { program, state, lock, members } = options;
    const { helper } = startNewProgram(platform, program, {
      env: { [HANDOVER_ENV]: String(CONTROL_DESCRIPTOR) },
      plan: state,
      further: [lock, ...members],
    });
    this.#helper = helper;
    helper.listen({
      onMessage: ({ data, fds }) => {
        fds.forEach((fd) => fd.close());
        this.#onMessage(data);
      },
      onClosed: (error) =>
        this.#fail(error === null ? "the new baton ended before it served" : errorText(error)),
    });
    this.#setDeadline(HELLO_TIMEOUT_MS, "it did not say hello: is it a baton?");
  }

  get pid(): number {
    return this.#helper.pid;
  }

  #setDeadline(delayMs: number, reason: string): void {
    this.#helper.setDeadline(delayMs, () => this.#fail(`${reason} (${delayMs / 1000} s)`));
  }

  #onMessage(data: Uint8Array): void {
    if (this.#settled) return;
    try {
      const message = parseMessage(data);
      if (message.kind === "failed") return this.#fail(message.reason);
      if (message.kind === "serving") return this.#serves(message.epoch);
      if (message.version !== HANDOVER_VERSION) {
        return this.#fail(
          `the new baton speaks handover version ${message.version}, this one ${HANDOVER_VERSION}`,
        );
      }
    } catch (error) {
      return this.#fail(errorText(error));
    }
    this.#setDeadline(this.options.readyTimeoutMs + RESERVE_MS, "it did not say that it serves");
  }

  #serves(epoch: number): void {
    this.#settled = true;
    // The control socket stays open until this process exits: that is how the new baton notices.
    this.#helper.clearDeadline();
    this.options.onServing(epoch);
  }

  #fail(reason: string): void {
    if (this.#settled) return;
    this.abort();
    this.options.onFailed(reason);
  }

  /** Kills the new baton with everything that it has started, if it has not taken over. */
  abort(): void {
    this.#settled = true;
    this.#helper.kill();
  }
}
