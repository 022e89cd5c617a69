/** A configuration as a person reads it: every option with its value and where that is from, in TOML or JSON. Pure. */
import { COMMAND_KEY, FRONT_KEY } from "./file_values.ts";
import { FRONT_KEYS } from "./front/settings.ts";
import type { ConfigOrigin, LoadedConfig } from "./load.ts";
import { defaultRaw, fileKey, OPTION_GROUPS, OPTIONS } from "./options.ts";

/** Where the origins begin, if a line leaves room for that. */
const ORIGIN_COLUMN = 44;
const PLAIN_KEY = /^[A-Za-z0-9_-]+$/;

/** @returns lines that are a configuration file of the same meaning, but for secrets */
export function effectiveLines({ origins, file }: LoadedConfig): string[] {
  const line = (field: string, key: string) => originLine(key, shownOrigin(origins, field));
  return [
    line(COMMAND_KEY, COMMAND_KEY),
    ...OPTION_GROUPS.flatMap((group) => [
      "",
      `# ${group}`,
      ...OPTIONS.filter((option) => option.group === group)
        // A table `[front]` stands last, and has the option in it.
        .filter(({ field }) => field !== FRONT_KEY || file?.front === undefined)
        .map(({ field, flag }) => line(field, fileKey(flag))),
    ]),
    ...file?.front === undefined ? [] : frontLines(origins, file.front, file.path),
  ];
}

/** `[front]`, for a file that has it. */
function frontLines(
  origins: LoadedConfig["origins"],
  given: ReadonlyMap<string, unknown>,
  path: string,
): string[] {
  const option = origins.get(FRONT_KEY);
  const files = [option?.raw ?? []].flat().map((text) => String(text).replace(/^eds:/, ""));
  const eds = option === undefined || files.length === 0
    ? undefined
    : { ...option, raw: files.length === 1 ? files[0] : files };
  return [
    "",
    "# What 'baton init envoy' writes",
    `[${FRONT_KEY}]`,
    originLine("eds", eds),
    ...FRONT_KEYS.map(({ key, value }) =>
      originLine(
        key,
        given.has(key) ? { kind: "file", text: path, raw: given.get(key) } : {
          kind: "default",
          text: "default",
          raw: noneIfEmpty(defaultRaw(value)),
        },
      )
    ),
  ];
}

function noneIfEmpty(raw: unknown): unknown {
  return Array.isArray(raw) && raw.length === 0 ? null : raw;
}

/** @returns by key the value as it was given, or the default; null: none */
export function effectiveValues(
  { origins, file }: LoadedConfig,
): Record<string, { readonly value: unknown; readonly from: string }> {
  const entry = (field: string) => {
    const origin = shownOrigin(origins, field);
    return { value: origin?.raw ?? null, from: origin?.text ?? "" };
  };
  return Object.fromEntries([
    [COMMAND_KEY, entry(COMMAND_KEY)],
    ...OPTIONS.map(({ field, flag }) => [fileKey(flag), entry(field)]),
    ...file?.front === undefined ? [] : FRONT_KEYS.map(({ key, value }) => [
      `${FRONT_KEY}.${key}`,
      file.front?.has(key)
        ? { value: file.front.get(key), from: file.path }
        : { value: defaultRaw(value), from: "default" },
    ]),
  ]);
}

function shownOrigin(
  origins: LoadedConfig["origins"],
  field: string,
): ConfigOrigin | undefined {
  const origin = origins.get(field);
  const shown = OPTIONS.find((option) => option.field === field)?.shown;
  if (origin === undefined || shown === undefined || origin.raw === null) return origin;
  return { ...origin, raw: shown(origin.raw) };
}

function originLine(key: string, origin: ConfigOrigin | undefined): string {
  const { raw = null, text = "" } = origin ?? {};
  const value = raw === null ? `# ${key}: none` : `${key} = ${toml(raw)}`;
  // What a default is needs no more words.
  const from = raw === null ? "" : `# ${text}`;
  return `${value.padEnd(ORIGIN_COLUMN)} ${from}`.trimEnd();
}

function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value).map(([key, each]) =>
      `${PLAIN_KEY.test(key) ? key : quoted(key)} = ${toml(each)}`
    );
    return `{ ${pairs.join(", ")} }`;
  }
  return typeof value === "string" ? quoted(value) : String(value);
}

/** The escapes of JSON are those of TOML, which has one character more that must be escaped. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}
