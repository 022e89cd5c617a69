/** The verbs for a generation on trial, and the flags of its admission at a reload; help.ts shows them. */
import type { Config } from "../../config/config.ts";
import { UserError, withPlace } from "../../config/values/errors.ts";
import { readOptionValue } from "../../config/load.ts";
import { OPTION_BY_FIELD } from "../../config/options.ts";
import { parsePercent } from "../../config/values/percent.ts";
import { checkRollout } from "../../config/validate.ts";
import { NAME, RUNTIME_DIR } from "./pod_verbs.ts";
import type { VerbFlag, VerbSpec } from "./verb_spec.ts";
import { type Target, targetOf, timeoutOf, type Words } from "./words.ts";

const FIELDS = ["canary", "rampMs", "bakeMs", "hold"] as const;

/** The admission of the new generation, where it differs from the configuration. */
export type ReloadRollout = Partial<Pick<Config, typeof FIELDS[number]>>;

export interface TrialCommand extends Target {
  readonly verb: "promote" | "rollback" | "canary";
  readonly timeoutMs: number | null;
  readonly json: boolean;
  /** For `canary`. */
  readonly percent: number | null;
}

export const JSON_OUTPUT: VerbFlag = {
  flag: "json",
  placeholder: null,
  help: "Print JSON instead of text.",
};
export const TIMEOUT: VerbFlag = {
  flag: "timeout",
  placeholder: "TIME",
  help: "Longest wait for the outcome. By default as long as the timeouts of the service allow.",
};
const COMMON = [NAME, RUNTIME_DIR, TIMEOUT, JSON_OUTPUT];

/** The same flags as those of `run`, for one reload. */
export const ROLLOUT_FLAGS: readonly VerbFlag[] = FIELDS.map((field) => {
  const { flag, placeholder, help } = OPTION_BY_FIELD[field];
  return { flag, placeholder, help };
});

/** Between `reload` and `upgrade` in the help text. */
export const TRIAL_VERBS: Readonly<Record<"promote" | "rollback" | "canary", VerbSpec>> = {
  promote: {
    summary: "Accept the generation on trial: the old one drains.",
    operands: "[NAME]",
    maxOperands: 1,
    flags: COMMON,
    examples: [
      ["baton promote", "after baton reload --hold"],
      ["baton promote web --json", "one by name, outcome as JSON"],
    ],
  },
  rollback: {
    summary: "Discard the generation on trial: the old one gets all new connections again.",
    operands: "[NAME]",
    maxOperands: 1,
    flags: COMMON,
    examples: [
      ["baton rollback", "at any time of a canary, ramp, bake or hold"],
      ["baton rollback web", "one by name"],
    ],
  },
  canary: {
    summary: "Change the percentage of new connections for the generation on trial.",
    operands: "PERCENT [NAME]",
    maxOperands: 2,
    flags: COMMON,
    examples: [
      ["baton canary 25%", "after baton reload --canary 10%"],
      ["baton canary 0% web", "none, but it keeps running"],
    ],
  },
};

export function parseTrial(verb: TrialCommand["verb"], words: Words): TrialCommand {
  const [first, ...others] = words.operands;
  if (verb === "canary" && first === undefined) {
    throw new UserError("Cannot change the percentage: it is missing", {
      remedy: "For example: baton canary 25%",
    });
  }
  const percent = verb === "canary" && first !== undefined
    ? withPlace("In the percentage", () => parsePercent(first))
    : null;
  const addressed = verb === "canary" ? { ...words, operands: others } : words;
  const json = words.flags.has("json");
  return { verb, ...targetOf(addressed), timeoutMs: timeoutOf(words), json, percent };
}

/** The admission flags of one reload. */
export function reloadRollout({ flags }: Words): ReloadRollout {
  const given = FIELDS.flatMap((field) => {
    const option = OPTION_BY_FIELD[field];
    const value = flags.get(option.flag)?.[0];
    if (value === undefined) return [];
    return [[field, readOptionValue(option, value, `In --${option.flag}`)] as const];
  });
  const how: ReloadRollout = Object.fromEntries(given);
  checkRollout(how);
  return how;
}
