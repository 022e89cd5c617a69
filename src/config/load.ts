/**
 * Raw values -> a `Config`: flags win over variables, these over the configuration file, the file over the defaults.
 *
 * Guarantees: `buildConfig` returns a complete configuration that has passed `validateConfig`; every refusal is a
 * `UserError` that names the flag, or the key and the file. Pure.
 */
import { basename } from "node:path";
import type { Config } from "./config.ts";
import { COMMAND_KEY, type FileValues, textsIn } from "./file_values.ts";
import { UserError, withPlace } from "./values/errors.ts";
import { type OptionValue, refuse } from "./option_makers.ts";
import { optionVariable, rawOfVariable } from "./env_options.ts";
import { defaultRaw, fileKey, type Option, OPTIONS, variableOf } from "./options.ts";
import { DEFAULT_QUIET_MS, SHUTDOWN_QUIET_MS } from "./tables/stop_options.ts";
import { commandTarget, presetByFile, presetForCommand } from "./presets.ts";
import { validateConfig } from "./validate.ts";

/** The input of `loadConfig`. */
interface ConfigSources {
  readonly fileValues: FileValues | null;
  /** The environment of baton. @default no variable is an option */
  readonly env?: Readonly<Record<string, string>>;
  /** The raw values of flags, by name without dashes; more than one value only for lists. */
  readonly flagValues: ReadonlyMap<string, readonly string[]>;
  /** The server's command line; empty when the words of the command line hold none. */
  readonly command: readonly string[];
  /** Defaults of a command that is `run` with others. @default those of the table */
  readonly defaults?: Partial<Config>;
  /**
   * @param directory in which the server is started; null: where baton is
   * @returns the first bytes of a jar; null: it cannot be read
   */
  readonly readJar?: (path: string, directory: string | null) => Uint8Array | null;
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

/** Where a value is from. */
export interface ConfigOrigin {
  readonly kind: "flag" | "variable" | "file" | "default";
  /** For people: `--drain-time`, `BATON_DRAIN_TIME`, the path of the file. */
  readonly text: string;
  /** As it was given, or the default as a user would write it; null: nothing. */
  readonly raw: unknown;
}

/** A configuration, and where it is from. */
export interface LoadedConfig {
  readonly config: Config;
  /** Where each value is from, by field of `Config`. */
  readonly origins: ReadonlyMap<string, ConfigOrigin>;
  /** The configuration file; null: none was read. */
  readonly file: FileValues | null;
}

/** The configuration of a service, and how to look at it again. */
export interface ConfigSource {
  readonly loaded: LoadedConfig;
  /**
   * Null: no file was read, so nothing can be otherwise.
   * @param directory in which baton was started
   * @throws {UserError} as the first time
   */
  readonly reread: ((directory: string) => LoadedConfig) | null;
}

/** @returns null: it is not given */
function givenOrigin(
  option: Option,
  { flagValues, env = {}, fileValues }: ConfigSources,
): ConfigOrigin | null {
  const { flag, isRepeatable } = option;
  const texts = flagValues.get(flag);
  if (texts !== undefined) {
    const raw = option.placeholder === null ? true : isRepeatable ? texts : texts[0];
    return { kind: "flag", text: `--${flag}`, raw };
  }
  const variable = optionVariable(env, flag);
  if (variable !== undefined) {
    const text = variableOf(flag);
    const raw = withPlace(`In ${text}`, () => rawOfVariable(option, variable));
    return { kind: "variable", text, raw };
  }
  const key = fileKey(flag);
  if (!fileValues?.values.has(key)) return null;
  return { kind: "file", text: fileValues.path, raw: fileValues.values.get(key) };
}

function readGiven(option: Option, { kind, text, raw }: ConfigOrigin): unknown {
  const place = kind === "file" ? `In key "${fileKey(option.flag)}" of ${text}` : `In ${text}`;
  return readOptionValue(option, raw, place);
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
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const { command: words, fileValues } = sources;
  const command = readCommand(sources);
  const found = new Map(OPTIONS.map((option) => [option.field, givenOrigin(option, sources)]));
  const given = new Map(OPTIONS.flatMap((option) => {
    const origin = found.get(option.field) ?? null;
    return origin === null ? [] : [[option.field, readGiven(option, origin)] as const];
  }));
  const { readJar = () => null } = sources;
  const directory = (given.get("cwd") ?? null) as Config["cwd"];
  const preset = (given.get("preset") ?? sources.defaults?.preset ??
    presetByFile(command, (path) => readJar(path, directory))) as Config["preset"];
  const defaults: Readonly<Record<string, unknown>> = {
    name: defaultName(command),
    preset,
    stopTimeMs: presetForCommand(command, preset).stopTimeMs,
    // With --shutdown-only it is also the time without a new connection, and half a second would be short for that.
    quietMs: given.get("shutdownOnly") === true ? SHUTDOWN_QUIET_MS : DEFAULT_QUIET_MS,
    ...sources.defaults,
  };
  const values = OPTIONS.map(({ field, default: value }) => [
    field,
    given.get(field) ?? defaults[field] ?? value,
  ]);
  // Sound because `OPTION_BY_FIELD` has an entry for every other field of `Config`.
  const config = { ...Object.fromEntries(values), command } as Config;
  validateConfig(config);
  const origins = new Map<string, ConfigOrigin>(OPTIONS.map((option) => {
    return [option.field, found.get(option.field) ?? defaultOrigin(option, config)];
  }));
  origins.set(COMMAND_KEY, {
    ...words.length > 0
      ? { kind: "flag", text: "command line" } as const
      : { kind: "file", text: fileValues?.path ?? "" } as const,
    raw: command,
  });
  return { config, origins, file: fileValues };
}

function defaultOrigin(option: Option, config: Config): ConfigOrigin {
  const value = config[option.field as keyof Config];
  const text = option.default === value ? "default" : "default, by the command";
  return { kind: "default", text, raw: defaultRaw({ ...option, default: value }) };
}
