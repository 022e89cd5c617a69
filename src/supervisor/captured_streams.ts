/**
 * Which of a generation's standard output and error come through baton while it starts.
 *
 * What goes to a terminal does not: there a program writes each line as it is printed, and in colours, as long as it
 * sees the terminal itself. Where a line of the output is waited for it must come through baton all the same, and
 * with `stty tostop`, which stops whoever writes from the background.
 */
import type { RunningContext } from "./context.ts";
import { outlivesBaton } from "./policy.ts";

const STREAMS = [1, 2];

/** @param members that it gets at its start (--listen) */
export function capturedStreams(
  { config, platform }: Pick<RunningContext, "config" | "platform">,
  members = 0,
): readonly number[] {
  if (config.output === "direct") return [];
  // With --listen nothing is trapped at the right moment, so the pipes would outlive baton.
  if (outlivesBaton(config) && members > 0) return [];
  if (config.ready.some(({ kind }) => kind === "log")) return STREAMS;
  return STREAMS.filter((stream) => !platform.terminals.takesOutput(stream));
}
