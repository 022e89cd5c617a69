/** What a command line is read in: the environment, and files. */
import { optionVariable, truth } from "../../config/env_options.ts";
import type { FileValues } from "../../config/file_values.ts";
import { loadConfig, type LoadedConfig } from "../../config/load.ts";
import { UserError, withPlace } from "../../config/values/errors.ts";
import { variableOf } from "../../config/options.ts";
import { CONFIG_FLAG, NO_CONFIG_FLAG } from "./verbs.ts";
import type { Words } from "./words.ts";

export interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  /** @param directory that a relative path begins in; null: the working directory */
  readonly readConfig: (path: string, directory: string | null) => FileValues;
  /** Looks for baton.toml. @param directory null: the working directory */
  readonly findConfig: (directory: string | null) => FileValues | null;
}

/** @param again in which directory it is to be found again; null: the first time, in the working directory */
export function loadRun(
  { flags, operands }: Words,
  surroundings: Surroundings,
  again: string | null = null,
): LoadedConfig {
  const fileValues = readFile(flags, surroundings, again);
  if (again !== null && fileValues === null) {
    throw new UserError(`Cannot read baton.toml in ${again} again: it is gone`, {
      remedy: "Put it back, or restart baton to run without it",
    });
  }
  return loadConfig({ fileValues, flagValues: flags, command: operands, env: surroundings.env });
}

function readFile(
  flags: Words["flags"],
  { env, readConfig, findConfig }: Surroundings,
  directory: string | null,
): FileValues | null {
  const path = flags.get(CONFIG_FLAG.flag)?.[0];
  const without = flags.has(NO_CONFIG_FLAG.flag);
  if (path !== undefined) {
    if (!without) return readConfig(path, directory);
    throw new UserError("Cannot use --config with --no-config", { remedy: "Remove one of them" });
  }
  if (without) return null;
  const variable = optionVariable(env, CONFIG_FLAG.flag);
  if (variable !== undefined) return readConfig(variable, directory);
  const noConfig = optionVariable(env, NO_CONFIG_FLAG.flag);
  const place = `In ${variableOf(NO_CONFIG_FLAG.flag)}`;
  if (noConfig !== undefined && withPlace(place, () => truth(noConfig))) return null;
  return findConfig(directory);
}
