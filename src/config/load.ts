/**
 * Raw values -> a `Config`: flags win over the configuration file, the file over the defaults.
 *
 * Guarantees: `buildConfig` returns a complete configuration that has passed `validateConfig`; every refusal is a
 * `UserError` that names the flag, or the key and the file. Pure.
 */
import { basename } from "node:path";
import { parseLiveSpec, parseReadySpec } from "./values/check_spec.ts";
import type { Config } from "./config.ts";
import { COMMAND_KEY, type FileValues, textsIn } from "./config_file.ts";
import { formatDuration, parseDuration } from "./values/duration.ts";
import { prefixed, UserError } from "./values/errors.ts";
import { parseHookSpec } from "./values/hook_spec.ts";
import { parseListenSpec } from "./values/listen_spec.ts";
import type { DurationOption, IntOption, Option, StringOption } from "./option_types.ts";
import { fileKey, isRepeatable, OPTION_BY_FIELD, OPTIONS, SHUTDOWN_QUIET_MS } from "./options.ts";
import { parsePercent } from "./values/percent.ts";
import { commandTarget } from "./presets.ts";
import { parseSignalName, parseStopSignals } from "./values/signals.ts";
import { suggest } from "./values/suggest.ts";
import { validateConfig } from "./validate.ts";

/** The raw values of flags, by name without dashes; more than one value only for lists. */
type FlagValues = ReadonlyMap<string, readonly string[]>;

/** The input of `buildConfig`. */
interface ConfigSources {
  readonly fileValues: FileValues | null;
  readonly flagValues: FlagValues;
  /** The server's command line; empty when the words of the command line hold none. */
  readonly command: readonly string[];
}

/** The service's name when its command gives none. */
const FALLBACK_NAME = "server";
const MAX_NAME_LENGTH = 63;

function refuse(raw: unknown, wanted: string, remedy?: string): UserError {
  return new UserError(`Cannot use ${JSON.stringify(raw)}: it must be ${wanted}`, { remedy });
}

function readDuration(option: DurationOption, raw: unknown): number {
  if (typeof raw !== "string" && typeof raw !== "number") throw refuse(raw, "a duration");
  const ms = parseDuration(String(raw));
  if (ms < option.minMs) throw refuse(raw, `at least ${formatDuration(option.minMs)}`);
  if (ms > option.maxMs) throw refuse(raw, `at most ${formatDuration(option.maxMs)}`);
  return ms;
}

function readInt(option: IntOption, raw: unknown): number {
  const number = typeof raw === "string" && /^\d+$/.test(raw.trim()) ? Number(raw) : raw;
  const inRange = typeof number === "number" && Number.isInteger(number) &&
    number >= option.min && number <= option.max;
  if (!inRange) throw refuse(raw, `a whole number from ${option.min} to ${option.max}`);
  return number;
}

function readEnum(values: readonly string[], raw: unknown): string {
  if (typeof raw === "string" && values.includes(raw)) return raw;
  const near = typeof raw === "string" ? suggest(raw, values) : null;
  const remedy = near === null ? undefined : `Did you mean ${near}?`;
  throw refuse(raw, `one of ${values.join(", ")}`, remedy);
}

function readString(option: StringOption, raw: unknown): string {
  if (typeof raw !== "string") throw refuse(raw, "text");
  if (raw === "") throw refuse(raw, "text that is not empty");
  if (raw.includes("\0")) throw refuse(raw, "text without NUL characters");
  if (option.pattern !== undefined && !option.pattern.test(raw)) {
    throw refuse(raw, option.patternText ?? "valid");
  }
  return raw;
}

/** @param raw an array of strings, or a string for a list of one */
function readStrings(raw: unknown): string[] {
  const list: unknown[] = Array.isArray(raw) ? raw : [raw];
  return list.map((item) => {
    if (typeof item === "string") return item;
    throw refuse(item, "text");
  });
}

function readPath(path: string): string {
  if (path === "" || path.includes("\0")) throw refuse(path, "the path of a file or directory");
  return path;
}

function readAny(option: Option, raw: unknown): unknown {
  switch (option.type) {
    case "duration":
      return readDuration(option, raw);
    case "int":
      return readInt(option, raw);
    case "percent":
      if (typeof raw === "string" || typeof raw === "number") return parsePercent(String(raw));
      throw refuse(raw, "a percentage, such as 10%");
    case "enum":
      return readEnum(option.values, raw);
    case "string":
      return readString(option, raw);
    case "signal":
      if (typeof raw === "string" || typeof raw === "number") return parseSignalName(String(raw));
      throw refuse(raw, "the name of a signal");
    case "flag":
      // On the command line a flag has the value "".
      if (raw === "" || typeof raw === "boolean") return raw !== false;
      throw refuse(raw, "true or false");
    case "list":
      return readStrings(raw).map(parseListenSpec);
    case "hooks":
      return readStrings(raw).map(parseHookSpec);
    case "paths":
      return readStrings(raw).map(readPath);
    case "signals":
      return parseStopSignals(readStrings(raw));
    case "checks":
      return readStrings(raw).map(parseReadySpec);
    case "live checks":
      return readStrings(raw).map(parseLiveSpec);
  }
}

/**
 * Reads the value of one option.
 *
 * @param raw text from a flag (texts for a list), or any value from a file
 * @param place begins the message: `In --name`
 * @returns the value of the option's field of `Config`
 */
export function readOptionValue(option: Option, raw: unknown, place: string): unknown {
  try {
    const odd = option.bytes === true ? undefined : textsIn(raw).find((t) => !t.isWellFormed());
    if (odd !== undefined) throw refuse(odd, "UTF-8");
    return readAny(option, raw);
  } catch (error) {
    throw prefixed(place, error);
  }
}

function valueOf(option: typeof OPTIONS[number], sources: ConfigSources): unknown {
  const { flagValues, fileValues } = sources;
  const given = flagValues.get(option.flag);
  if (given !== undefined) {
    const raw = isRepeatable(option) ? given : given[0];
    return readOptionValue(option, raw, `In --${option.flag}`);
  }
  const key = fileKey(option.flag);
  if (fileValues?.values.has(key)) {
    const place = `In key "${key}" of ${fileValues.path}`;
    return readOptionValue(option, fileValues.values.get(key), place);
  }
  if (option.field === "quietMs" && isShutdownOnly(sources)) return SHUTDOWN_QUIET_MS;
  return option.default;
}

/** There --quiet is also the time without a new connection, and half a second would be short for that. */
function isShutdownOnly({ flagValues, fileValues }: ConfigSources): boolean {
  const { flag } = OPTION_BY_FIELD.shutdownOnly;
  return flagValues.has(flag) || fileValues?.values.get(fileKey(flag)) === true;
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
  if (isCommand) return raw;
  const place = `In key "${COMMAND_KEY}" of ${fileValues.path}`;
  throw prefixed(place, refuse(raw, "a list of texts", 'Write ["PROGRAM", "ARGUMENT"]'));
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
  const values = new Map<string, unknown>(
    OPTIONS.map((option) => [option.field, valueOf(option, sources)]),
  );
  values.set("command", command);
  values.set("name", values.get("name") ?? defaultName(command));
  // Sound because `OPTION_BY_FIELD` has an entry of the right type for every other field.
  const config = Object.fromEntries(values) as unknown as Config;
  validateConfig(config);
  return config;
}
