/**
 * The check of a new program before an upgrade in place, which cannot be rolled back: can it read this state, and the
 * command line? It runs as a child with a hidden verb and must answer in time.
 *
 * `baton __check_state N ARGUMENT...` finds on descriptor N a socket (SOCK_SEQPACKET) for one answer as JSON, and on
 * N+1 a memfd with the state.
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

const PREFLIGHT_ANSWER = f.lazyVariant("ok", () => [
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

/** @returns its process, until one of `onPassed` and `onFailed` is called. @throws {Error} when it cannot start */
export function startPreflight(
  platform: Platform,
  { program, state, onPassed, onFailed }: PreflightOptions,
): HelperProcess {
  const { helper, path } = startNewProgram(platform, program, { verb: CHECK_VERB, plan: state });
  const fail = (reason: string) => {
    helper.kill();
    onFailed(reason);
  };
  helper.listen({
    onMessage: ({ data, fds }) => {
      fds.forEach((fd) => fd.close());
      const reason = refusalIn(data);
      if (reason !== null) return fail(reason);
      helper.kill();
      onPassed(path);
    },
    onClosed: () => fail("it ended without an answer: is it a baton that can upgrade in place?"),
  });
  helper.setDeadline(
    ANSWER_TIMEOUT_MS,
    () => fail(`it did not answer in ${ANSWER_TIMEOUT_MS / 1000} s: is it a baton?`),
  );
  return helper;
}

/** @returns null for an answer that says yes */
function refusalIn(data: Uint8Array): string | null {
  try {
    const answer = f.parseJson(PREFLIGHT_ANSWER, data);
    return answer.ok ? null : answer.reason;
  } catch (error) {
    return errorText(error);
  }
}
