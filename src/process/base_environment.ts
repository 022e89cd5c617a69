/** The environment that servers, hooks and pre-flight have in common, before what names listeners and generations. */
import type { Config } from "../config/config.ts";
import { parseEnvFile } from "../config/env_file.ts";
import { withoutOptions } from "../config/env_options.ts";
import { UserError } from "../config/values/errors.ts";
import { decodeBytes } from "../platform/bytes.ts";
import { errorText } from "../platform/error.ts";
import { type AtPath, atTextPath, resolvePath } from "../platform/files/path.ts";
import { readRegularFile } from "../platform/files/regular_file.ts";
import { accountEnvironment } from "./process_settings.ts";

/** What people name where a file must be named, and none is meant. */
const NO_FILE = "/dev/null";

interface EnvironmentSources {
  readonly config: Pick<Config, "user" | "group" | "envFile" | "env">;
  /** The environment of baton. */
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly at?: AtPath;
}

/**
 * @returns the environment without variables that were options of baton: a baton that the server starts is not meant by
 * them
 * @throws {UserError} when the environment file cannot be read
 */
export function baseEnvironment(context: EnvironmentSources): Record<string, string> {
  const { config, env, directory } = context;
  return {
    ...withoutOptions(env),
    ...accountEnvironment(config),
    ...readEnvFile(context),
    ...Object.fromEntries(config.env),
    PWD: directory,
  };
}

function readEnvFile(
  { config, directory, at = atTextPath }: EnvironmentSources,
): Record<string, string> {
  if (config.envFile === null) return {};
  const full = resolvePath(directory, config.envFile);
  if (full === NO_FILE) return {};
  let text: string;
  try {
    // Nothing else can be read again: the second generation would find the end of a pipe, and start without variables.
    text = decodeBytes(at(full, (name) => readRegularFile(name)));
  } catch (error) {
    throw new UserError(`Cannot read --env-file ${full}: ${errorText(error)}`);
  }
  return parseEnvFile(text, full);
}
