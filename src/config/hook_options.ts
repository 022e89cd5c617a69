/** The options of pre-flight and hooks, for the table in options.ts. */
import { MAX_DURATION_MS } from "./values/duration.ts";
import { type DurationOption, HOOKS, type HooksOption, type StringOption } from "./option_types.ts";

/** Default of `--hook-timeout` in milliseconds. */
export const DEFAULT_HOOK_TIMEOUT_MS = 30_000;

interface HookOptions {
  readonly preFlight: StringOption;
  readonly minFree: StringOption;
  readonly hook: HooksOption;
  readonly hookTimeoutMs: DurationOption;
}

export const HOOK_OPTIONS: HookOptions = {
  preFlight: {
    ...{ type: "string", flag: "pre-flight", group: HOOKS, placeholder: "COMMAND", default: null },
    ...{ pattern: /\S/, patternText: "a command", bytes: true },
    help: "Run this with sh before the server of each generation is started, in its directory " +
      "and environment. If it fails the generation has failed, and the old one goes on: " +
      "'nginx -t'.",
  },
  minFree: {
    ...{ type: "string", flag: "min-free", group: HOOKS, placeholder: "SIZE", default: null },
    help: "Before a second copy of the server is started this much memory must be free: 512M, " +
      "2G, 10%, or auto for as much as the first one uses.",
  },
  hook: {
    ...{ type: "hooks", flag: "hook", group: HOOKS, placeholder: "NAME=COMMAND", default: [] },
    bytes: true,
    help: "Run this with sh at a moment: pre-start and ready can veto a generation by their exit " +
      "status; pre-drain, post-stop and on-rollback can not. May be given several times.",
  },
  hookTimeoutMs: {
    ...{ type: "duration", flag: "hook-timeout", group: HOOKS, placeholder: "TIME" },
    ...{ default: DEFAULT_HOOK_TIMEOUT_MS, minMs: 1, maxMs: MAX_DURATION_MS },
    help:
      "A pre-flight or hook that takes longer is killed with its process group, and has failed.",
  },
};
