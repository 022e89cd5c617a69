/**
 * A configuration file: bytes -> raw values by key. TOML 1.0 (smol-toml) or JSON, told apart by the extension.
 *
 * Guarantees: all text is valid Unicode and all keys exist; every refusal is a `UserError` that names the file. The only
 * I/O is the read in `loadConfigFile`. Loaded where there may be a file: file_values.ts is what others need of it.
 */
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { parse as parseToml, TomlError } from "smol-toml";
import { COMMAND_KEY, type FileValues, FRONT_KEY, SCHEMA_KEY, textsIn } from "./file_values.ts";
import { UserError } from "./values/errors.ts";
import { fileKey, OPTIONS } from "./options.ts";
import { suggest } from "./values/suggest.ts";
import { errorText } from "../platform/error.ts";

/** A value is a list or a table at most, and no configuration has lists in lists in lists. */
const MAX_DEPTH = 20;

const NEWLINE = 0x0a;

/** A configuration is a page of text: a larger file is the wrong one. */
const MAX_FILE_CHARACTERS = 1 << 20;

/** Errors that a user can fix, in words; messages name others by their code. */
const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENXIO: "it is not a file",
  ELOOP: "its links lead in a circle",
};

/**
 * Reads a configuration file.
 *
 * @param path ends in `.toml` or `.json`
 * @param read for paths that are not UTF-8
 * @throws {UserError} when it cannot be read, or as `parseConfigText` does
 */
export function loadConfigFile(
  path: string,
  read: (path: string) => Uint8Array = readFileSync,
): FileValues {
  let bytes: Uint8Array;
  try {
    bytes = read(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const reason = READ_ERRORS[code] ?? code;
    throw new UserError(`Cannot read configuration file "${path}": ${reason}`, {
      cause: error,
      remedy: "Check the path given with --config; it is relative to the current directory",
    });
  }
  return parseConfigText(decodeConfig(bytes, path), path);
}

/** @throws {UserError} when it is not UTF-8, which TOML and JSON require */
function decodeConfig(bytes: Uint8Array, path: string): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let [line, start] = [1, 0];
  try {
    // In UTF-8 no other character contains the byte of a newline.
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      decoder.decode(bytes.subarray(start, end));
      [line, start] = [line + 1, end + 1];
    }
    return decoder.decode(bytes.subarray(0, start)) + decoder.decode(bytes.subarray(start));
  } catch (error) {
    throw new UserError(`Cannot read configuration file "${path}": line ${line} is not UTF-8`, {
      cause: error,
      remedy: "Save it as UTF-8; other bytes can be given in the command line and in --env-file",
    });
  }
}

/**
 * Parses the text of a configuration file and checks that all of its keys exist.
 *
 * @param text the whole file
 * @param path decides the format by its extension, and names the file in messages
 * @throws {UserError} for another extension, a syntax error, or an unknown key
 */
export function parseConfigText(text: string, path: string): FileValues {
  if (text.length > MAX_FILE_CHARACTERS) {
    throw new UserError(`Cannot use configuration file "${path}": it is larger than 1 MiB`);
  }
  const parsed = parseByExtension(text.replace(/^\uFEFF/, ""), path);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new UserError(`Cannot use configuration file "${path}": it is not a set of keys`, {
      remedy: 'Write an object such as {"name": "web", "command": ["server"]}',
    });
  }
  if (isDeeper(parsed, MAX_DEPTH)) {
    throw new UserError(
      `Cannot use configuration file "${path}": it has more than ${MAX_DEPTH} levels`,
    );
  }
  const half = textsIn(parsed).find((text) => !text.isWellFormed());
  if (half !== undefined) {
    const shown = JSON.stringify(half);
    throw new UserError(
      `Cannot use ${path}: ${shown} holds half of a surrogate pair (\\uD800 to \\uDFFF)`,
    );
  }
  const values = new Map<string, unknown>(Object.entries(parsed));
  values.delete(SCHEMA_KEY);
  const front = takeFront(values);
  const known = [COMMAND_KEY, ...OPTIONS.map((option) => fileKey(option.flag))];
  for (const key of values.keys()) {
    if (known.includes(key)) continue;
    const near = suggest(key, known);
    const question = near === null ? "" : `: did you mean "${near}"?`;
    throw new UserError(`Unknown key ${JSON.stringify(key)} in ${path}${question}`, {
      remedy: "The keys are the options of 'baton run --help' with '_' for '-'",
    });
  }
  return { path, values, ...front !== null && { front } };
}

/** `[front]` with `eds = "FILE"` is the same as `front = "eds:FILE"`, and has more in it for `baton init envoy`. */
function takeFront(values: Map<string, unknown>): ReadonlyMap<string, unknown> | null {
  const table = values.get(FRONT_KEY);
  if (typeof table !== "object" || table === null || Array.isArray(table)) return null;
  const front = new Map<string, unknown>(Object.entries(table));
  const eds = front.get("eds");
  const named = (each: unknown) => typeof each === "string" ? `eds:${each}` : each;
  if (eds === undefined) values.delete(FRONT_KEY);
  else values.set(FRONT_KEY, Array.isArray(eds) ? eds.map(named) : named(eds));
  return front;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

/** Tokens of JSON, besides numbers, words and blanks. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** @param text that `JSON.parse` accepts, which keeps the last of two @returns the first key that an object has twice */
function repeatedKey(text: string): string | null {
  /** The keys of each value around the present place; null: a list, which has none. */
  const open: (Set<string> | null)[] = [];
  let isKeyNext = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const keys = open.at(-1) ?? null;
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : null);
    else if (token === "}" || token === "]") open.pop();
    else if (token !== "," && isKeyNext && keys !== null) {
      const key: string = JSON.parse(token);
      if (keys.has(key)) return key;
      keys.add(key);
    }
    isKeyNext = token === "{" || (token === "," && keys !== null);
  }
  return null;
}

/** @throws {Error} for a key that is there twice, too, as TOML has it */
function parseJson(text: string): unknown {
  const parsed: unknown = JSON.parse(text);
  const repeated = repeatedKey(text);
  if (repeated === null) return parsed;
  throw new Error(`the key ${JSON.stringify(repeated)} is there twice`);
}

function parseByExtension(text: string, path: string): unknown {
  const extension = extname(path).toLowerCase();
  try {
    if (extension === ".toml") return parseToml(text);
    if (extension === ".json") return parseJson(text);
  } catch (error) {
    const message = errorText(error).split("\n")[0] ?? "";
    const where = error instanceof TomlError ? `line ${error.line}, column ${error.column}: ` : "";
    throw new UserError(`Cannot parse ${path}: ${where}${message}`, { cause: error });
  }
  throw new UserError(`Cannot tell the format of configuration file "${path}"`, {
    remedy: "Name it baton.toml or baton.json",
  });
}
