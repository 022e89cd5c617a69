/** `--private-socket @NAME`: abstract Unix names of which each generation gets one of its own. Pure. */
import { UserError } from "./errors.ts";

/**
 * Of servers that bind a fixed name to find out whether they are alone, or to be found by the next one, which under baton
 * is not to find them: Envoy's hot restart.
 */
const KNOWN = ["@envoy_domain_socket_*"] as const;

/**
 * Envoy's names end with its base id and its epoch modulo 3: one that is no first one looks for its predecessor there, and
 * gives up after 10 s (1.36.2, 1.40.0).
 */
const OF_SUCCESSOR = /^@envoy_domain_socket_\w*(?:parent|child)_\d*[12]$/;

/** @param name as in `isPrivateName` @returns whether who binds it waits for a predecessor, which it will not find */
export const isSuccessorName = (name: string): boolean => OF_SUCCESSOR.test(name);

/** sizeof(sun_path) without the NUL in front of an abstract name, unix(7). */
const MOST_BYTES = 107;

/** @throws {UserError} when one is no abstract name */
export function parsePrivateNames(texts: readonly string[]): readonly string[] {
  for (const text of texts) {
    if (!text.startsWith("@")) {
      throw new UserError(
        `Cannot use "${text}": it must be an abstract name, which begins with @`,
        {
          remedy: "Each generation has a place of its own at a path already (docs/unix.md)",
        },
      );
    }
    const literal = text.slice(1).replaceAll("*", "");
    if (literal === "" || literal.length > MOST_BYTES) {
      throw new UserError(
        `Cannot use "${text}": it must name 1 to ${MOST_BYTES} bytes, besides "*"`,
        { remedy: "For example: --private-socket '@app_lock_*'" },
      );
    }
  }
  return texts;
}

/** @param name as `ss -x` shows it, "@" in front */
export function isPrivateName(name: string, patterns: readonly string[]): boolean {
  return [...KNOWN, ...patterns].some((pattern) => matches(name, pattern));
}

/** "*" stands for any bytes. */
function matches(name: string, pattern: string): boolean {
  const [first = "", ...others] = pattern.split("*");
  if (!name.startsWith(first)) return false;
  const last = others.pop();
  if (last === undefined) return name === first;
  let at = first.length;
  for (const part of others) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
