/** The verbs for a generation on trial, and its admission at a reload: words -> commands. Pure. */
import type { Config } from "../../config/config.ts";
import { UserError, withPlace } from "../../config/values/errors.ts";
import { readOptionValue } from "../../config/load.ts";
import { OPTION_BY_FIELD } from "../../config/options.ts";
import { checkRollout } from "../../config/validate.ts";
import { RELOAD_FIELDS } from "./verbs.ts";
import { type ServiceCommand, serviceCommand, type Words } from "./words.ts";

/** The admission of the new generation, where it differs from the configuration. */
export type ReloadRollout = Partial<Pick<Config, typeof RELOAD_FIELDS[number]>>;

export interface TrialCommand extends ServiceCommand<"promote" | "rollback" | "canary"> {
  /** Share of the new connections, for `canary`; null for the other verbs. */
  readonly percent: number | null;
}

export function parseTrial(verb: TrialCommand["verb"], words: Words): TrialCommand {
  if (verb !== "canary") return { ...serviceCommand(verb, words), percent: null };
  const [percent, ...operands] = words.operands;
  if (percent === undefined) {
    throw new UserError("Cannot change the percentage: it is missing", {
      remedy: "For example: baton canary 25%",
    });
  }
  const [next = ""] = operands;
  if (!/^\d/.test(percent) && /^\d+(\.\d+)?%?$/.test(next)) {
    throw new UserError(`Cannot use "${percent}": it must be a percentage from 0% to 100%`, {
      remedy: `The percentage comes first: baton canary ${next} ${percent}`,
    });
  }
  return {
    percent: withPlace("In the percentage", () => OPTION_BY_FIELD.canary.read(percent)),
    ...serviceCommand(verb, { ...words, operands }),
  };
}

/** The admission flags of one reload. */
export function reloadRollout({ flags }: Words): ReloadRollout {
  const given = RELOAD_FIELDS.flatMap((field) => {
    const option = OPTION_BY_FIELD[field];
    const text = flags.get(option.flag)?.[0];
    if (text === undefined) return [];
    const value = option.placeholder === null ? true : text;
    return [[field, readOptionValue(option, value, `In --${option.flag}`)] as const];
  });
  const how: ReloadRollout = Object.fromEntries(given);
  checkRollout(how);
  return how;
}
