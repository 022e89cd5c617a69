/**
 * The trial of a new program before an upgrade in place, which has no way back: can it read this
 * state, and the command line? It runs as a child with a hidden verb and must say so in time.
 *
 * `baton __check_state N ARGUMENT...` finds on descriptor N a socket (SOCK_SEQPACKET) for one answer
 * as JSON, and on N+1 a memfd with the state. Reports exactly one of `onPassed` and `onFailed`.
 */
import { errorText, SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { hide } from "../../platform/process/hidden_environment.ts";
import type { Platform } from "../../platform/platform.ts";
import { processTree } from "../../platform/process/proc.ts";
import type { Watch } from "../../platform/reactor.ts";
import { resolveProgram } from "../../launcher/resolve.ts";
import type { ResumeState } from "../state/resume_state.ts";
import { C } from "../../platform/libc/constants.ts";

/** Hidden verb that makes a baton look at a state, and say whether it could go on with it. */
export const CHECK_VERB = "__check_state";
/** Longest answer. */
const ANSWER_LIMIT = 8192;

const CONTROL_DESCRIPTOR = 3;
const TRIAL_TIMEOUT_MS = 10_000;

export type PreflightAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string };

interface PreflightOptions {
  /** The new program, and its arguments up to baton's own. */
  readonly program: string;
  readonly prefix: readonly string[];
  /** Arguments of baton, as this one was started. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where a name without a path is looked up from, and arguments are read. */
  readonly directory: string;
  readonly state: ResumeState;
  /** @param path the program's file */
  readonly onPassed: (path: string) => void;
  readonly onFailed: (reason: string) => void;
}

export class Preflight {
  readonly pid: number;
  readonly #control: Fd;
  readonly #watch: Watch;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #path: string;
  #settled = false;

  /** @throws {Error} when the program cannot be started */
  constructor(readonly platform: Platform, readonly options: PreflightOptions) {
    const { sockets, descriptors, reactor } = platform;
    const { program, env: { PATH }, directory } = options;
    const resolution = resolveProgram(program, PATH, directory, platform.files);
    if (resolution.kind === "failed") throw new Error(resolution.message);
    this.#path = resolution.path;
    const [ours, theirs] = sockets.pair();
    const text = new TextEncoder().encode(JSON.stringify(options.state));
    using state = descriptors.sealedMemfd("baton-state", text);
    try {
      this.pid = this.#spawn(theirs, state);
    } catch (error) {
      ours.close();
      throw error;
    } finally {
      theirs.close();
    }
    this.#control = ours;
    this.#watch = reactor.watch(ours, () => this.#onAnswer());
    this.#timer = setTimeout(
      () => this.#fail(`it did not answer in ${TRIAL_TIMEOUT_MS / 1000} s: is it a baton?`),
      TRIAL_TIMEOUT_MS,
    );
  }

  #spawn(control: Fd, state: Fd): number {
    const { processes } = this.platform;
    const { program, prefix, argv, env, directory } = this.options;
    const moved = processes.entersDirectory(directory);
    try {
      return processes.spawn({
        path: this.#path,
        argv: [program, ...prefix, CHECK_VERB, String(CONTROL_DESCRIPTOR), ...argv],
        env: hide(this.platform.runtime, env),
        descriptors: [0, 1, 2, control, state],
      });
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      throw new Error(`Cannot execute ${this.#path}: ${error.code}`);
    } finally {
      if (moved) processes.changeDirectory("/");
    }
  }

  #onAnswer(): void {
    let answer: PreflightAnswer;
    try {
      const message = this.platform.descriptors.receive(this.#control, ANSWER_LIMIT);
      if (message === null) return this.#watch.arm();
      message.fds.forEach((fd) => fd.close());
      if (message.data.length === 0) {
        return this.#fail("it ended without an answer: is it a baton that can upgrade in place?");
      }
      answer = JSON.parse(new TextDecoder().decode(message.data)) as PreflightAnswer;
    } catch (error) {
      return this.#fail(errorText(error));
    }
    if (!answer.ok) return this.#fail(String(answer.reason));
    this.cancel();
    this.options.onPassed(this.#path);
  }

  #fail(reason: string): void {
    if (this.#settled) return;
    this.cancel();
    this.options.onFailed(reason);
  }

  /** Ends it, whatever it does. */
  cancel(): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    for (const pid of processTree(this.pid)) this.platform.processes.signal(pid, C.SIGKILL);
    this.#watch.cancel();
    this.#control.close();
  }
}
