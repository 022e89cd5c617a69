/** The verbs that look at a running service, and change nothing. */
import { JSON_OUTPUT, NAME, RUNTIME_DIR, type VerbSpec } from "./verb_spec.ts";

export const WATCH_VERBS = {
  status: {
    summary: "Show the generations of a service and their connections.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, JSON_OUTPUT],
    examples: [
      ["baton status", "the only running service"],
      ["baton status web --json", "one by name, for scripts"],
    ],
  },
  ready: {
    summary: "Report by the exit status whether a service gets traffic: 0 yes, 1 no.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR],
    examples: [
      ["baton ready", "as an exec probe"],
      ["baton ready web", "one by name"],
    ],
  },
} satisfies Record<string, VerbSpec>;
