/**
 * The protocol between the two halves of one start: what the supervisor sends to a launcher, and what the launcher
 * reports. Both are always the same binary, so it has no version.
 *
 * The launcher is a `HelperProcess` with the members on descriptors 3, 4, ... With a `readyDescriptor`, copies of that
 * one fill what is between the last member and it. One that is started ahead of time (its plan is null) has kept their
 * places, reports `booted`, and gets all of them in one message, with the plan behind them. After `prepared` the launcher waits for `GO`, and exits if the
 * supervisor does. The control socket is close-on-exec: when it closes without a report `failed`, the server's program
 * is running.
 */
import * as v from "valibot";
import type { CallRule } from "../platform/process/call_filter.ts";
import { isEnvironment } from "../platform/process/environment.ts";

/** Hidden verb that makes baton a launcher; its one argument is the number of the control socket. */
export const LAUNCH_VERB = "__launch";

/** The supervisor's go-ahead. */
export const GO = "go";

/** Jumps in a filter are short. */
export const MOST_SPARED = 32;

const NUMBERS = v.pipe(v.array(v.number()), v.readonly());
const CONDITION = v.object({
  argument: v.number(),
  mask: v.exactOptional(v.number()),
  values: NUMBERS,
  not: v.exactOptional(v.boolean()),
});
const CALL_RULE: v.GenericSchema<CallRule> = v.union([
  v.number(),
  v.object({ call: v.number(), when: v.pipe(v.array(CONDITION), v.readonly()) }),
]);

const LAUNCH_PLAN = v.object({
  argv: v.pipe(v.array(v.string()), v.readonly()),
  /**
   * File of the program; null: the first word names it. `isHeld`: the path leads to a descriptor of the supervisor, to a
   * file that may have no other name any more.
   */
  program: v.nullable(v.object({ path: v.string(), isHeld: v.boolean() })),
  env: v.custom<Readonly<Record<string, string>>>(isEnvironment),
  cwd: v.nullable(v.string()),
  /** How many descriptors from 3 on belong to the server, which gets LISTEN_PID with them (sd_listen_fds(3)). */
  members: v.number(),
  /** A further descriptor of the server's own (`--ready fd:N`), where it is passed already. */
  readyDescriptor: v.exactOptional(v.number()),
  /** System calls to ask the supervisor about; empty = no filter. */
  trap: v.pipe(v.array(CALL_RULE), v.readonly()),
  /** With `trap`: processes that it may not signal without the supervisor's leave. */
  spared: v.pipe(v.array(v.number()), v.maxLength(MOST_SPARED), v.readonly()),
  /** Wait for `GO` without a filter too: the supervisor writes down first what it has started. */
  waits: v.boolean(),
  /** Signal when the supervisor dies, 0 = none. */
  parentDeathSignal: v.number(),
  parentPid: v.number(),
  /** Soft RLIMIT_NOFILE for the server (the runtime raised baton's own), null = as it is. */
  fileLimit: v.nullable(v.number()),
});

const LAUNCH_REPORT = v.variant("kind", [
  /** It was started ahead of time, and waits for its descriptors and its plan. */
  v.object({ kind: v.literal("booted") }),
  /** Waits for `GO`. Carries the notify descriptor, if there is a filter. */
  v.object({ kind: v.literal("prepared") }),
  v.object({ kind: v.literal("failed"), status: v.number(), message: v.string() }),
]);

export type LaunchPlan = Readonly<v.InferOutput<typeof LAUNCH_PLAN>>;
export type LaunchReport = Readonly<v.InferOutput<typeof LAUNCH_REPORT>>;

/** @returns null: it comes later @throws {Error} */
export function parsePlan(text: string): LaunchPlan | null {
  return v.parse(v.nullable(LAUNCH_PLAN), JSON.parse(text));
}

/** @throws {Error} */
export function parseReport(data: Uint8Array): LaunchReport {
  return v.parse(LAUNCH_REPORT, JSON.parse(new TextDecoder().decode(data)));
}
