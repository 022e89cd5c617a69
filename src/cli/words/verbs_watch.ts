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
const EVENT_FLAGS: readonly VerbFlag[] = [
  {
    flag: "follow",
    placeholder: null,
    help: "Then print what happens, also across upgrades of baton, until the service ends.",
  },
  {
    flag: "since",
    placeholder: "TIME",
    help: "From this time on: 10m ago, 2026-11-29T10:00:00Z, or after the event with this id. By " +
      "default everything that is kept, and with --follow nothing of it.",
  },
  {
    flag: "only",
    placeholder: "NAMES",
    help: "Only these events, with commas between them: reload.*,generation.crashed. By default " +
      "every outcome.",
  },
  { flag: "all", placeholder: null, help: "Steps on the way, too." },
  { flag: "text", placeholder: null, help: "Print text for people instead of JSON lines." },
];

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
  stats: {
    summary: "Show what a service has counted: reloads, drains, waits. Its baton need not answer.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, JSON_OUTPUT],
    examples: [
      ["baton stats", "the only running service"],
      ["baton stats web --json", "one by name, for scripts"],
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
  events: {
    summary: "Print what happens to a service, one JSON line each.",
    operands: "[NAME]",
    flags: [NAME, RUNTIME_DIR, ...EVENT_FLAGS],
    examples: [
      ["baton events", "the outcomes that are kept"],
      ["baton events web --follow --all --text", "each step as it happens, for people"],
      ["baton events --since 1h --only reload.failed", "the failed reloads of the last hour"],
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
