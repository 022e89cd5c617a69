/**
 * Which of a generation's standard output and error come through baton while it starts.
 *
 * What goes to a terminal does not: there a program writes each line as it is printed, and in colours, as long as it
 * sees the terminal itself. Where a line of the output is waited for it must come through baton all the same, and
 * with `stty tostop`, which stops background writers.
 */
import type { RunningContext } from "./context.ts";
import { outlivesBaton } from "../config/config.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";
import type { ServerProcess } from "../process/server_process.ts";
import type { Admission } from "./admission.ts";

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

interface Printing {
  readonly facts: Pick<GenerationFacts, "handedOver">;
  readonly context: Pick<RunningContext, "config" | "platform">;
  readonly admission: Pick<Admission, "vetoOutput"> | null;
  readonly server: ServerProcess | null;
}

/** A generation that has a process, or has had one: what it prints does not come through baton, or does no longer. */
export function printsDirectly(
  { facts, context, admission: entrance, server: process }: Printing,
): boolean {
  if ((entrance?.vetoOutput ?? null) !== null || process === null) return false;
  return facts.handedOver || context.config.output === "direct" ||
    capturedStreams(context).length < STREAMS.length;
}
