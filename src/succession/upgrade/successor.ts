/**
 * The old baton's side of an upgrade by a child: starts the new baton, follows what it says, and kills it if necessary.
 *
 * A new baton that is silent for too long has failed; so has one that exits, says so, or cannot be executed.
 */
import { errorText } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import type { HelperProcess } from "../../platform/process/helper_process.ts";
import { parseJson } from "../state/fields.ts";
import { type NewProgram, startNewProgram } from "./new_program.ts";
import {
  HANDOVER_ENV,
  HANDOVER_MESSAGE,
  HANDOVER_VERSION,
  type HandoverState,
} from "./protocol.ts";

/** A new baton says hello before it starts anything: this long after its exec at the latest. */
const HELLO_TIMEOUT_MS = 10_000;
/** What the new baton itself may take, on top of its generation's time to get ready. */
const RESERVE_MS = 10_000;
/** Number of the control socket, behind standard input, output and error. */
const CONTROL_DESCRIPTOR = 3;

interface SuccessorOptions {
  readonly program: NewProgram;
  readonly state: HandoverState;
  readonly lock: Fd;
  readonly members: readonly Fd[];
  readonly passedOn: readonly Fd[];
  readonly readyTimeoutMs: number;
  readonly onServing: (epoch: number) => void;
  readonly onFailed: (reason: string) => void;
}

/**
 * Exactly one of `onServing` and `onFailed` is called, unless the process is killed before.
 * @returns the new baton's process. @throws {Error} when it cannot be started
 */
export function startSuccessor(platform: Platform, options: SuccessorOptions): HelperProcess {
  const { program, state, lock, members, passedOn, readyTimeoutMs, onServing, onFailed } = options;
  const { helper } = startNewProgram(platform, program, {
    env: { [HANDOVER_ENV]: String(CONTROL_DESCRIPTOR) },
    plan: state,
    further: [lock, ...members, ...passedOn],
  });
  let isSettled = false;
  const fail = (reason: string) => {
    if (isSettled) return;
    isSettled = true;
    helper.kill();
    onFailed(reason);
  };
  const setDeadline = (delayMs: number, reason: string) =>
    helper.setDeadline(delayMs, () => fail(`${reason} (${delayMs / 1000} s)`));
  const onMessage = (data: Uint8Array) => {
    const message = parseJson(HANDOVER_MESSAGE, data);
    if (message.kind === "failed") return fail(message.reason);
    if (message.kind === "serving") {
      isSettled = true;
      // The control socket stays open until this process exits: that is how the new baton notices.
      helper.clearDeadline();
      return onServing(message.epoch);
    }
    if (message.version === HANDOVER_VERSION) {
      return setDeadline(readyTimeoutMs + RESERVE_MS, "it did not say that it serves");
    }
    fail(`the new baton speaks handover version ${message.version}, this one ${HANDOVER_VERSION}`);
  };
  helper.listen({
    onMessage: ({ data, fds }) => {
      fds.forEach((fd) => fd.close());
      if (isSettled) return;
      try {
        onMessage(data);
      } catch (error) {
        fail(errorText(error));
      }
    },
    onClosed: (error) =>
      fail(error === null ? "the new baton ended before it served" : errorText(error)),
  });
  setDeadline(HELLO_TIMEOUT_MS, "it did not say hello: is it a baton?");
  return helper;
}
