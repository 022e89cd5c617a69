/**
 * Durations as people write them: `500ms`, `2s`, `1m30s`, `1h`, `0`; a bare number is in seconds.
 *
 * Guarantees: a parsed duration is a whole number of milliseconds from 0 to `MAX_DURATION_MS`, so it always fits a timer;
 * `parseDuration(formatDuration(ms)) === ms` for every such number. There is no "infinite": every wait of baton ends.
 */
import { UserError } from "./errors.ts";

const MS_PER_SECOND = 1000;
const MS_PER_MINUTE = 60 * MS_PER_SECOND;
const MS_PER_HOUR = 60 * MS_PER_MINUTE;
const MS_PER_DAY = 24 * MS_PER_HOUR;

/** Milliseconds of each unit, largest first: the order in which users must write them. */
const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", MS_PER_DAY],
  ["h", MS_PER_HOUR],
  ["m", MS_PER_MINUTE],
  ["s", MS_PER_SECOND],
  ["ms", 1],
];

/**
 * The longest duration that is accepted, in milliseconds (24 days).
 *
 * setTimeout() of Node, Bun and Deno keeps its delay in a signed 32-bit number (24.8 days) and fires at once beyond it:
 * a longer wait would not wait at all.
 */
export const MAX_DURATION_MS = 24 * MS_PER_DAY;

const REMEDY = "Write for example 500ms, 2s, 1m30s or 1h; a bare number is in seconds";

/** One number with its unit; "ms" before "m" and "s", so that it is not read as minutes. */
const PART = /(\d+(?:\.\d+)?)(ms|[a-zA-Z]+)/y;

function refuse(text: string, reason: string): UserError {
  return new UserError(`Cannot read duration ${JSON.stringify(text)}: ${reason}`, {
    remedy: REMEDY,
  });
}

function unitIndex(text: string, unit: string): number {
  const index = UNITS.findIndex(([name]) => name === unit);
  if (index >= 0) return index;
  const known = UNITS.map(([name]) => name).join(", ");
  throw refuse(text, `unit ${JSON.stringify(unit)} is not one of ${known}`);
}

function sumOfParts(text: string): number {
  let sum = 0;
  let lastUnit = -1;
  PART.lastIndex = 0;
  while (PART.lastIndex < text.length) {
    const match = PART.exec(text);
    if (match === null) throw refuse(text, "it is not a number with a unit");
    const index = unitIndex(text, match[2] ?? "");
    if (index <= lastUnit) throw refuse(text, "units must go from large to small, each once");
    lastUnit = index;
    sum += Number(match[1]) * (UNITS[index]?.[1] ?? 0);
  }
  return sum;
}

/**
 * @param text `500ms`, `2s`, `1.5s`, `1m30s`, `1h`, `2d`, or a bare number of seconds
 * @returns whole milliseconds, 0 to `MAX_DURATION_MS`
 * @throws {UserError} when it is not a duration, finer than a millisecond, or too long
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "") throw refuse(text, "it is empty");
  if (trimmed.startsWith("-")) throw refuse(text, "it is negative");
  const bare = /^\d+(\.\d+)?$/.test(trimmed);
  const sum = bare ? Number(trimmed) * MS_PER_SECOND : sumOfParts(trimmed);
  // 1.1 * 60000 is 66000.00000000001 in floating point: round first, then check how much was lost.
  const ms = Math.round(sum);
  if (Math.abs(sum - ms) > 1e-6) throw refuse(text, "it is finer than one millisecond");
  if (ms > MAX_DURATION_MS) {
    throw refuse(text, `it is longer than ${formatDuration(MAX_DURATION_MS)}`);
  }
  return ms;
}

/**
 * Formats a duration as `parseDuration` reads it: `500ms`, `1.5s`, `1m30s`, `1h`, `0s`.
 *
 * @param ms milliseconds, not negative; fractions are rounded
 */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  if (rest === 0) return "0s";
  if (rest < MS_PER_SECOND) return `${rest}ms`;
  let text = "";
  for (const [unit, size] of UNITS) {
    if (size <= MS_PER_SECOND || rest < size) continue;
    text += `${Math.floor(rest / size)}${unit}`;
    rest %= size;
  }
  return rest === 0 ? text : `${text}${rest / MS_PER_SECOND}s`;
}
