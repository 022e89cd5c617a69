/**
 * Raw values -> a `Config`: flags win over the configuration file, the file over the defaults.
 *
 * Guarantees: `buildConfig` returns a complete configuration that has passed `validateConfig`; every refusal is a
 * `UserError` that names the flag, or the key and the file. Pure.
 */
import { basename } from "node:path";
import type { Config } from "./config.ts";
import { COMMAND_KEY, type FileValues, textsIn } from "./config_file.ts";
import { UserError, withPlace } from "./values/errors.ts";
import { type OptionValue, refuse } from "./option_makers.ts";
import { fileKey, type Option, OPTIONS } from "./options.ts";
import { DEFAULT_QUIET_MS, SHUTDOWN_QUIET_MS } from "./tables/stop_options.ts";
import { commandTarget, presetForCommand } from "./presets.ts";
import { validateConfig } from "./validate.ts";

/** The input of `buildConfig`. */
interface ConfigSources {
  readonly fileValues: FileValues | null;
  /** The raw values of flags, by name without dashes; more than one value only for lists. */
  readonly flagValues: ReadonlyMap<string, readonly string[]>;
  /** The server's command line; empty when the words of the command line hold none. */
  readonly command: readonly string[];
}

/** The service's name when its command gives none. */
const FALLBACK_NAME = "server";
const MAX_NAME_LENGTH = 63;

/**
 * Reads the value of one option.
 *
 * @param raw text from a flag (texts for a list), or any value from a file
 * @param place begins the message: `In --name`
 * @returns the value of the option's field of `Config`
 */
export function readOptionValue(option: OptionValue<unknown>, raw: unknown, place: string) {
  return withPlace(place, () => {
    const odd = option.takesBytes ? undefined : textsIn(raw).find((text) => !text.isWellFormed());
    if (odd !== undefined) throw refuse(odd, "UTF-8");
    return option.read(raw);
  });
}

/** @returns undefined: it is not given */
function givenValue(option: Option, { flagValues, fileValues }: ConfigSources): unknown {
  const texts = flagValues.get(option.flag);
  if (texts !== undefined) {
    const raw = option.isRepeatable ? texts : texts[0];
    return readOptionValue(option, raw, `In --${option.flag}`);
  }
  const key = fileKey(option.flag);
  if (!fileValues?.values.has(key)) return undefined;
  const place = `In key "${key}" of ${fileValues.path}`;
  return readOptionValue(option, fileValues.values.get(key), place);
}

function readCommand({ command, fileValues }: ConfigSources): readonly string[] {
  if (command.length > 0) return command;
  const raw = fileValues?.values.get(COMMAND_KEY);
  if (fileValues === null || raw === undefined) {
    throw new UserError("Cannot run: the command of the server is missing", {
      remedy: "Put it after the options: baton run -- PROGRAM [ARGUMENT...]",
    });
  }
  const isCommand = Array.isArray(raw) && raw.length > 0 &&
    raw.every((word) => typeof word === "string");
  return withPlace(`In key "${COMMAND_KEY}" of ${fileValues.path}`, () => {
    if (isCommand) return raw;
    throw refuse(raw, "a list of texts", 'Write ["PROGRAM", "ARGUMENT"]');
  });
}

/**
 * Derives a service's name from its command: the base name, without extension, of the program or of the script that an
 * interpreter runs (`node /srv/app/server.js` is "server").
 *
 * @returns a name that `--name` would accept
 */
export function defaultName(command: readonly string[]): string {
  const { program, script } = commandTarget(command);
  for (const path of [script ?? "", program]) {
    // Lower case and short, so that "http.server" and "com.example.Main" stay whole.
    const stem = basename(path).replace(/(?<=.)\.[a-z][a-z0-9]{0,4}$/, "");
    const name = stem.replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[.-]+|-+$/g, "");
    if (name !== "") return name.slice(0, MAX_NAME_LENGTH);
  }
  return FALLBACK_NAME;
}

/**
 * Builds the configuration of `baton run`.
 *
 * @throws {UserError} when a value is invalid, the command is missing, or options contradict each other
 */
export function buildConfig(sources: ConfigSources): Config {
  const command = readCommand(sources);
  const given = Object.fromEntries(
    OPTIONS.map((option) => [option.field, givenValue(option, sources)]),
  );
  const defaults: Readonly<Record<string, unknown>> = {
    name: defaultName(command),
    stopTimeMs: presetForCommand(command).stopTimeMs,
    // There it is also the time without a new connection, and half a second would be short for that.
    quietMs: given["shutdownOnly"] === true ? SHUTDOWN_QUIET_MS : DEFAULT_QUIET_MS,
  };
  const values = OPTIONS.map(({ field, default: value }) => [
    field,
    given[field] ?? defaults[field] ?? value,
  ]);
  // Sound because `OPTION_BY_FIELD` has an entry for every other field of `Config`.
  const config = { ...Object.fromEntries(values), command } as Config;
  validateConfig(config);
  return config;
}
