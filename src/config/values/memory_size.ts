/**
 * The memory that `--min-free` asks for: bytes, a percentage of all memory, or as much as the service uses. Pure.
 *
 * K, M, G and T are powers of 1024, as in systemd and cgroups.
 */
import { UserError } from "./errors.ts";

export type MinFree =
  | { readonly kind: "bytes"; readonly bytes: number }
  /** A share of the memory of the machine, or of the cgroup. */
  | { readonly kind: "percent"; readonly percent: number }
  /** As much as the serving generation uses now. */
  | { readonly kind: "auto" };

const UNITS = ["", "K", "M", "G", "T"] as const;
const UNIT = 1024;
const ALL_PERCENT = 100;

/** @param text `512M`, `1.5G`, `67108864`, `10%`, or `auto` @throws {UserError} for anything else */
export function parseMinFree(text: string): MinFree {
  if (text.trim() === "auto") return { kind: "auto" };
  const match = /^(\d+(?:\.\d+)?)(?:(%)|([KMGT])?(?:iB|B)?)$/i.exec(text.trim());
  if (match === null) throw refuse(text, "not a size");
  const [, digits = "", percent, unit = ""] = match;
  const number = Number(digits);
  if (percent !== undefined) {
    if (number > ALL_PERCENT) throw refuse(text, "a percentage ends at 100%");
    return { kind: "percent", percent: number };
  }
  const power = UNITS.findIndex((name) => name === unit.toUpperCase());
  const bytes = Math.round(number * UNIT ** power);
  if (!Number.isSafeInteger(bytes)) throw refuse(text, "it is larger than any memory");
  return { kind: "bytes", bytes };
}

function refuse(text: string, why: string): UserError {
  return new UserError(`Cannot read memory size ${JSON.stringify(text)}: ${why}`, {
    remedy: "Write for example 512M, 2G, 10% or auto",
  });
}

/** Formats a size for people: `512 MiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  let power = 0;
  for (let rest = bytes; rest >= UNIT && power < UNITS.length - 1; rest /= UNIT) power++;
  const number = bytes / UNIT ** power;
  const digits = power === 0 || number >= 100 ? 0 : 1;
  const unit = power === 0 ? "bytes" : `${UNITS[power]}iB`;
  return `${number.toFixed(digits).replace(/\.0$/, "")} ${unit}`;
}
