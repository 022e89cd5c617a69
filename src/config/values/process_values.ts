/** The values of `--umask`, `--rlimit` and `--env`. Pure. */
import { type RlimitName, RLIMITS } from "../../platform/libc/rlimits.ts";
import { UserError } from "./errors.ts";
import { suggest } from "./suggest.ts";

/** One resource limit; Infinity: none. */
interface Limit {
  readonly name: RlimitName;
  readonly soft: number;
  readonly hard: number;
}

/** A variable and its value. */
export type Assignment = readonly [name: string, value: string];

const LARGEST_UMASK = 0o777;
const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const WITHOUT_LIMIT: readonly string[] = ["unlimited", "infinity"];
/** Beyond it numbers of JavaScript are not exact. */
const LARGEST_LIMIT = 2 ** 53 - 1;

/** @param text octal digits */
export function parseUmask(text: string): number {
  const value = /^[0-7]{1,4}$/.test(text) ? parseInt(text, 8) : NaN;
  if (value <= LARGEST_UMASK) return value;
  throw new UserError(`Cannot use ${JSON.stringify(text)}: it must be octal, from 000 to 777`, {
    remedy: "Write for example 022 or 027",
  });
}

/** @param texts `nofile=1024:65536` */
export function parseLimits(texts: readonly string[]): readonly Limit[] {
  const limits = texts.map(parseLimit);
  const twice = limits.find(({ name }, i) => limits.findIndex((each) => each.name === name) < i);
  if (twice === undefined) return limits;
  throw new UserError(`Cannot use ${twice.name} twice`, { remedy: "Give each limit once" });
}

function parseLimit(text: string): Limit {
  const cannot = `Cannot use ${JSON.stringify(text)}`;
  const [, word = "", first = "", second = first] = /^([^=]*)=([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  const lower = word.toLowerCase().replace(/^(rlimit_|limit)/, "");
  const name = Object.keys(RLIMITS).find((known) => known === lower) as RlimitName | undefined;
  if (name === undefined) {
    const near = suggest(lower, Object.keys(RLIMITS));
    throw new UserError(`${cannot}: no limit has the name ${JSON.stringify(word)}`, {
      remedy: near === null
        ? `Write NAME=SOFT[:HARD]; the names are ${Object.keys(RLIMITS).join(", ")}`
        : `Did you mean ${near}?`,
    });
  }
  const [soft, hard] = [parseAmount(first), parseAmount(second)];
  if (soft === null || hard === null) {
    throw new UserError(
      `${cannot}: a limit is a number, with K, M, G or T behind it, or unlimited`,
    );
  }
  if (soft <= hard) return { name, soft, hard };
  throw new UserError(`${cannot}: the soft limit is larger than the hard one`, {
    remedy: `Write ${name}=${second}:${first}`,
  });
}

function parseAmount(text: string): number | null {
  if (WITHOUT_LIMIT.includes(text)) return Infinity;
  const [, digits, unit = ""] = /^(\d+)([KMGT]?)$/i.exec(text) ?? [];
  const value = Number(digits ?? NaN) * (UNITS[unit.toUpperCase()] ?? 1);
  return value <= LARGEST_LIMIT ? value : null;
}

/**
 * @param raw `NAME=VALUE`, several of them, or a table of a file
 * @returns in the order given
 */
export function assignmentsOf(raw: unknown): readonly Assignment[] {
  const isTable = typeof raw === "object" && raw !== null && !Array.isArray(raw);
  const pairs = isTable
    ? Object.entries(raw)
    : [raw].flat().map((text) => typeof text === "string" ? splitAssignment(text) : [text, null]);
  return pairs.map(([name, value]) => checkedAssignment(name, value));
}

function splitAssignment(text: string): [string, string | null] {
  const at = text.indexOf("=");
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function checkedAssignment(name: unknown, value: unknown): Assignment {
  const text = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  if (typeof name !== "string" || typeof text !== "string") {
    const isOther = value !== null;
    const why = isOther
      ? "its value must be text, a number, true or false"
      : "it must be NAME=VALUE";
    throw new UserError(`Cannot use ${JSON.stringify(name)}: ${why}`, {
      remedy: isOther ? null : "Write NAME= for an empty value",
    });
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    const why = "a name has letters, digits and _, and does not begin with a digit";
    throw new UserError(`Cannot use variable ${JSON.stringify(name)}: ${why}`);
  }
  if (!text.includes("\0")) return [name, text];
  throw new UserError(`Cannot use variable ${name}: its value holds a NUL character`);
}
