/**
 * `--env-file`: lines of `NAME=VALUE`, as systemd's EnvironmentFile= and `docker --env-file` read
 * them: blank lines and `#` comments are skipped, `export ` is tolerated, one pair of quotes around
 * the whole value is removed, nothing is expanded. Of what is not ASCII nothing is removed. Pure.
 */
import { UserError } from "./values/errors.ts";

/** White space of ASCII: others are characters of a value, or bytes that only look like them. */
const BLANKS = /^[ \t\v\f\r]+|[ \t\v\f\r]+$/g;

/**
 * @param path for messages only
 * @throws {UserError} at the first line that is none of these, with its number
 */
export function parseEnvFile(text: string, path: string): Record<string, string> {
  const variables = new Map<string, string>();
  text.replace(/^\uFEFF/, "").split("\n").forEach((raw, index) => {
    const refuse = (why: string) => new UserError(`Cannot read ${path} line ${index + 1}: ${why}`);
    const line = raw.replace(BLANKS, "").replace(/^export[ \t]+/, "");
    if (line === "" || line.startsWith("#")) return;
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line);
    if (match === null) throw refuse(`want NAME=VALUE, got "${line}"`);
    if (line.includes("\0")) throw refuse("there is a NUL character in it");
    const quoted = /^(["'])(.*)\1$/s.exec(match[2]!);
    variables.set(match[1]!, quoted ? quoted[2]! : match[2]!);
  });
  return Object.fromEntries(variables);
}
