/** Makers of the entries of the option tables: one for each kind of value, with its placeholder and its reader. Pure. */
import { formatDuration, parseDuration } from "./values/duration.ts";
import { UserError } from "./values/errors.ts";
import { suggest } from "./values/suggest.ts";

/**
 * When another value counts that a reload finds in the configuration: `at once` for all that baton does from then on,
 * `next generation` for the generation that the reload starts and those after it.
 */
export type ReloadTime = "at once" | "next generation" | "restart";

/** A part of a JSON Schema. */
type JsonShape = Readonly<Record<string, unknown>>;

/** An entry of a table: `Read` is the type of a value that was given. */
export interface OptionValue<Read, Default = unknown> {
  /** Stands for the value in help: `TIME`, `FILE`; for enums, their values; null: the option has no value. */
  readonly placeholder: string | null;
  /** One or two sentences; help adds the default. */
  readonly help: string;
  /** The default; null: it depends on the environment or on other options, or there is none. */
  readonly default: Default;
  /** A sentence for the documentation. */
  readonly limits?: string;
  /** Whether the option may be given several times. */
  readonly isRepeatable?: true;
  /** Whether a value may have bytes that are not UTF-8. */
  readonly takesBytes?: true;
  /** What commands and the log show of a value, without the secrets in it; missing: all of it. */
  readonly shown?: (raw: unknown) => unknown;
  /** The value's shape in a file, for editors; missing: text. */
  readonly json?: JsonShape;
  /** When another value counts; missing: as its group says. */
  readonly reload?: ReloadTime;
  /** Why another value counts from a restart on. */
  readonly whyRestart?: string;
  /**
   * @param raw text from a flag (texts if repeatable), or any value from a file
   * @throws {UserError} when it is invalid
   */
  readonly read: (raw: unknown) => Read;
}

const TEXT: JsonShape = { type: "string", minLength: 1 };
/** As formatted by hand or by `formatDuration`; a bare number is in seconds. */
const TIME: JsonShape = {
  anyOf: [
    { type: "string", pattern: "^ *([0-9.]+(d|h|m|s|ms))+ *$|^ *[0-9.]+ *$" },
    { type: "number", minimum: 0 },
  ],
};

export function refuse(raw: unknown, wanted: string, remedy?: string): UserError {
  return new UserError(`Cannot use ${JSON.stringify(raw)}: it must be ${wanted}`, { remedy });
}

/** A reader of texts that a file may hold as numbers. */
export function scalar<T>(wanted: string, parse: (text: string) => T): (raw: unknown) => T {
  return (raw) => {
    if (typeof raw === "string" || typeof raw === "number") return parse(String(raw));
    throw refuse(raw, wanted);
  };
}

/** A duration, in milliseconds. */
export function time<D extends number | null>(value: D, help: string) {
  const read = scalar("a duration", parseDuration);
  return { placeholder: "TIME", help, default: value, read, json: TIME };
}

/** A duration of at least 1 ms. */
export function positiveTime<D extends number | null>(value: D, help: string) {
  const any = time(value, help);
  const read = (raw: unknown) => {
    const ms = any.read(raw);
    if (ms === 0) throw refuse(raw, `at least ${formatDuration(1)}`);
    return ms;
  };
  return { ...any, read, limits: `At least ${formatDuration(1)}.` };
}

/** A percentage with at most two decimals; unset by default. */
export function percent(help: string) {
  const read = scalar("a percentage, such as 10%", (text) => {
    const digits = /^(\d{1,3}(?:\.\d{1,2})?) ?%?$/.exec(text.trim())?.[1];
    const value = Number(digits ?? NaN);
    if (value <= 100) return value;
    throw refuse(text, "a percentage from 0% to 100%", "Write, for example, 10% or 2.5%");
  });
  const json = {
    anyOf: [{ type: "string", pattern: "^ *[0-9]{1,3}(\\.[0-9]{1,2})? ?%? *$" }, {
      type: "number",
      minimum: 0,
      maximum: 100,
    }],
  };
  return { placeholder: "PERCENT", help, default: null, read, json };
}

export function int(value: number, [min, max]: readonly [number, number], help: string) {
  const read = (raw: unknown) => {
    const number = typeof raw === "string" && /^\d+$/.test(raw.trim()) ? Number(raw) : raw;
    const inRange = typeof number === "number" && Number.isInteger(number) &&
      number >= min && number <= max;
    if (!inRange) throw refuse(raw, `a whole number from ${min} to ${max}`);
    return number;
  };
  const json = { type: "integer", minimum: min, maximum: max };
  return { placeholder: "N", help, default: value, read, limits: `From ${min} to ${max}.`, json };
}

/** A whole number, or "auto", which 0 stands for. */
export function intOrAuto(value: number, [min, max]: readonly [number, number], help: string) {
  const { read: readInt, ...rest } = int(value, [min, max], help);
  const read = (raw: unknown) => {
    if (raw === "auto") return 0;
    if (typeof raw === "string" && !/^\d/.test(raw.trim())) {
      throw refuse(raw, `auto, or a whole number from ${min} to ${max}`);
    }
    return readInt(raw);
  };
  const json = { anyOf: [{ const: "auto" }, rest.json] };
  return { ...rest, placeholder: "N|auto", read, json };
}

/** A value that is one of a few words. */
export function choice<const T extends string, const D extends T | null>(
  values: readonly T[],
  value: D,
  help: string,
) {
  const read = (raw: unknown): T => {
    const found = values.find((each) => each === raw);
    if (found !== undefined) return found;
    const near = typeof raw === "string" ? suggest(raw, values) : null;
    const remedy = near === null ? undefined : `Did you mean ${near}?`;
    throw refuse(raw, `one of ${values.join(", ")}`, remedy);
  };
  return { placeholder: values.join("|"), help, default: value, read, json: { enum: values } };
}

/** A flag without a value; in a file true or false. */
export function flag(help: string) {
  const read = (raw: unknown): boolean => {
    if (typeof raw === "boolean") return raw;
    throw refuse(raw, "true or false");
  };
  return { placeholder: null, help, default: false, read, json: { type: "boolean" } };
}

/** A text; unset by default. */
export function text(placeholder: string, help: string) {
  return parsed(placeholder, help, (value) => value);
}

/** Text with a meaning of its own. @param parse gets no empty text */
export function parsed<T>(placeholder: string, help: string, parse: (text: string) => T) {
  const read = (raw: unknown) => {
    if (typeof raw !== "string") throw refuse(raw, "text");
    if (raw === "") throw refuse(raw, "text that is not empty");
    if (raw.includes("\0")) throw refuse(raw, "text without NUL characters");
    return parse(raw);
  };
  return { placeholder, help, default: null, read, json: TEXT };
}

/** A parser of text that must match. @param words completes "it must be ..." */
export function matching(pattern: RegExp, words: string): (text: string) => string {
  return (value) => {
    if (pattern.test(value)) return value;
    throw refuse(value, words);
  };
}

/** A value that only the kernel or a shell reads, which may be any bytes. */
export function withBytes<T>(value: T) {
  return { ...value, takesBytes: true } as const;
}

/** May be given several times. */
export function list<T>(
  placeholder: string,
  help: string,
  parse: (texts: readonly string[]) => readonly T[],
) {
  const read = (raw: unknown) => {
    const items: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
    const odd = items.find((item) => typeof item !== "string");
    if (odd !== undefined) throw refuse(odd, "text");
    return parse(items as readonly string[]);
  };
  const none: readonly T[] = [];
  const json = { anyOf: [{ type: "array", items: TEXT }, TEXT] };
  return { placeholder, help, default: none, read, isRepeatable: true, json } as const;
}

/** Another value counts for all that baton does from the reload on. */
export function atOnce<T>(value: T) {
  return { ...value, reload: "at once" } as const;
}

export function nextGeneration<T>(value: T) {
  return { ...value, reload: "next generation" } as const;
}

/** @param whyRestart why another value counts from the next start of baton on */
export function restart<T>(whyRestart: string, value: T) {
  return { ...value, reload: "restart", whyRestart } as const;
}
