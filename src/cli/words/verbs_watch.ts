/** The verbs that look at a running service, and change nothing. */
import { JSON_OUTPUT, NAME, RUNTIME_DIR, type VerbFlag, type VerbSpec } from "./verb_spec.ts";

const INTERVAL: VerbFlag = {
  flag: "interval",
  placeholder: "TIME",
  help: "Time between two looks. [default: 1s]",
};
const COUNT: VerbFlag = {
  flag: "count",
  placeholder: "N",
  help: "End after so many looks.",
};

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
  top: {
    summary: "Watch a service: its generations, their connections and shares, as they change.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, INTERVAL, COUNT, JSON_OUTPUT],
    examples: [
      ["baton top", "on a terminal; q ends it"],
      ["baton top web --interval 5s --json", "in a pipe: a line for each look"],
      ["baton top --count 1", "one look"],
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
