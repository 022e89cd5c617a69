/** What became of a command of the user's that did not succeed, in one line. Pure. */
import { formatDuration } from "../config/values/duration.ts";
import type { CommandEnd } from "./command.ts";
import { describeExit } from "../report/exit_report.ts";

const MAX_SHOWN = 100;

/** @returns `pre-flight "nginx -t" failed: exit status 1` */
export function describeFailure(
  name: string,
  command: string,
  end: CommandEnd,
  timeoutMs: number,
): string {
  // One line: scripts in configuration files have several.
  const line = command.trim().replaceAll(/\s*\n\s*/g, "; ");
  const shown = line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN - 3)}...` : line;
  return `${name} "${shown}" failed: ${describeEnd(end, timeoutMs)}`;
}

function describeEnd(end: CommandEnd, timeoutMs: number): string {
  switch (end.kind) {
    case "exited":
      return describeExit(end.status);
    case "timed_out":
      return `not over within ${formatDuration(timeoutMs)} (--hook-timeout)`;
    case "not_started":
      return end.message;
    case "killed":
      return "it was ended";
  }
}
