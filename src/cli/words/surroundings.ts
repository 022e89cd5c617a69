/** What a command line is read in: the environment, and files. */
import type { Config } from "../../config/config.ts";
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
  /** The first bytes of a jar. @returns null: it cannot be read */
  readonly readJar: (path: string) => Uint8Array | null;
}

/**
 * As `loadRun`, while the service runs.
 * @param directory in which the file is found again
 * @param before what was read of it
 */
export function loadAgain(
  words: Words,
  surroundings: Surroundings,
  directory: string,
  before: FileValues,
  defaults?: Partial<Config>,
): LoadedConfig {
  const found = readFile(words.flags, surroundings, directory);
  if (found === null) {
    throw new UserError(`Cannot read baton.toml in ${directory} again: it is gone`, {
      remedy: "Put it back, or restart baton to run without it",
    });
  }
  // Editors and deploys empty a file before they write it: all would be as by default for a moment, --user too.
  if (found.values.size === 0 && before.values.size > 0) {
    throw new UserError(`Cannot use ${found.path}: it is empty, and was not when baton started`, {
      remedy: "If it is just being written, reload again; to run with the defaults, restart baton",
    });
  }
  return loadFrom(words, surroundings, found, directory, defaults);
}

/** The first time, in the working directory. @param defaults in place of the table's */
export function loadRun(
  words: Words,
  surroundings: Surroundings,
  defaults?: Partial<Config>,
): LoadedConfig {
  return loadFrom(words, surroundings, readFile(words.flags, surroundings, null), null, defaults);
}

function loadFrom(
  { flags, operands }: Words,
  { env, readJar }: Surroundings,
  fileValues: FileValues | null,
  directory: string | null,
  defaults: Partial<Config> = {},
): LoadedConfig {
  return loadConfig({
    fileValues,
    flagValues: flags,
    command: operands,
    env,
    defaults,
    readJar: (path, cwd) => readJar(within(directory, within(cwd, path))),
  });
}

/** A relative path that begins in a directory, which may be relative too. */
function within(directory: string | null, path: string): string {
  return directory === null || path.startsWith("/") ? path : `${directory}/${path}`;
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
