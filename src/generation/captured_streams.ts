/**
 * Which of a generation's standard output and error come through baton while it starts. Streams to a terminal do not: a
 * program that sees a terminal prints each line at once, and in colors. Two cases need capture all the same:
 * `--ready log:`, which waits for a line, and `stty tostop`, which stops background writers.
 */
import { outlivesBaton } from "../config/config.ts";
import type { RunningContext } from "./context.ts";

const STREAMS = [1, 2];

/** @param members how many it gets at its start (--listen) */
export function capturedStreams(
  { config, platform }: Pick<RunningContext, "config" | "platform">,
  members = 0,
): readonly number[] {
  if (config.output === "direct") return [];
  // With --listen no call is trapped at the right moment, so the pipes would outlive baton.
  if (outlivesBaton(config) && members > 0) return [];
  if (config.ready.some(({ kind }) => kind === "log")) return STREAMS;
  return STREAMS.filter((stream) => !platform.terminals.takesOutput(stream));
}

/**
 * @param handedOver whether its descriptors were replaced at its listen(2)
 * @returns whether a generation that was started prints to descriptors that are baton's own
 */
export function printsDirectly(
  context: Pick<RunningContext, "config" | "platform">,
  handedOver: boolean,
): boolean {
  return handedOver || capturedStreams(context).length < STREAMS.length;
}
