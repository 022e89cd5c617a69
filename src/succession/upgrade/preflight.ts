/**
 * The check of a new program before an upgrade in place, which cannot be rolled back: can it read this state, and the
 * command line? It runs as a child with a hidden verb and must answer in time.
 *
 * `baton __check_state N ARGUMENT...` finds on descriptor N a socket (SOCK_SEQPACKET) for one answer as JSON, and on N+1 a
 * memfd with the state. Exactly one of `onPassed` and `onFailed` is called.
 */
import * as v from "valibot";
import { errorText } from "../../platform/error.ts";
import type { Platform } from "../../platform/platform.ts";
import type { HelperProcess } from "../../platform/process/helper_process.ts";
import * as f from "../state/fields.ts";
import type { ResumeState } from "../state/resume_state.ts";
import { type NewProgram, startNewProgram } from "./new_program.ts";

/** Hidden verb that makes a baton check whether it could continue from a state. */
export const CHECK_VERB = "__check_state";
const ANSWER_TIMEOUT_MS = 10_000;

const PREFLIGHT_ANSWER = v.variant("ok", [
  f.object({ ok: v.literal(true) }),
  f.object({ ok: v.literal(false), reason: f.reason }),
], "true or false");

export type PreflightAnswer = v.InferOutput<typeof PREFLIGHT_ANSWER>;

interface PreflightOptions {
  readonly program: NewProgram;
  readonly state: ResumeState;
  /** @param path the program's file */
  readonly onPassed: (path: string) => void;
  readonly onFailed: (reason: string) => void;
}

export class Preflight {
  readonly #helper: HelperProcess;
  readonly #path: string;
  #settled = false;

  /** @throws {Error} when the program cannot be started */
  constructor(platform: Platform, readonly options: PreflightOptions) {
    const { program, state } = options;
    const start = { verb: CHECK_VERB, plan: state };
    const { helper, path } = startNewProgram(platform, program, start);
    this.#helper = helper;
    this.#path = path;
    helper.listen({
      onMessage: ({ data, fds }) => {
        fds.forEach((fd) => fd.close());
        this.#onAnswer(data);
      },
      onClosed: () =>
        this.#fail("it ended without an answer: is it a baton that can upgrade in place?"),
    });
    helper.setDeadline(
      ANSWER_TIMEOUT_MS,
      () => this.#fail(`it did not answer in ${ANSWER_TIMEOUT_MS / 1000} s: is it a baton?`),
    );
  }

  get pid(): number {
    return this.#helper.pid;
  }

  #onAnswer(data: Uint8Array): void {
    let answer: PreflightAnswer;
    try {
      answer = f.parseJson(PREFLIGHT_ANSWER, data);
    } catch (error) {
      return this.#fail(errorText(error));
    }
    if (!answer.ok) return this.#fail(answer.reason);
    this.cancel();
    this.options.onPassed(this.#path);
  }

  #fail(reason: string): void {
    if (this.#settled) return;
    this.cancel();
    this.options.onFailed(reason);
  }

  /** Kills it. Neither callback is called from here on. */
  cancel(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#helper.kill();
  }
}
