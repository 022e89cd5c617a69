/** One system call of a launch, and what its failure is said to be. Pure. */
import { SystemCallError } from "../platform/error.ts";
import type { Call } from "../platform/program/call_list.ts";
import type { LaunchFailure } from "./plan.ts";

/** The launcher failed for a reason that is not the program's fault (exit_status.ts). */
export const STATUS_SYSTEM = 71;

export interface LaunchCall extends Call {
  /** @param result a negative errno, or what was not expected */
  readonly explain: (result: number) => LaunchFailure;
}

export function call(
  name: string,
  subject: string,
  number: number,
  args: Call["args"],
): LaunchCall {
  const explain = (result: number) => ({
    status: STATUS_SYSTEM,
    message: result < 0
      ? new SystemCallError(name, -result, subject).message
      : "Cannot launch: the supervisor is gone",
  });
  return { number, args, explain };
}

export function code(result: number): string {
  return new SystemCallError("", -result, "").code;
}
