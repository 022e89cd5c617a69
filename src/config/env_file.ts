/**
 * `--env-file`: lines of `NAME=VALUE`, as systemd's EnvironmentFile= and `docker --env-file` read them: blank lines and
 * `#` comments are skipped, `export ` is tolerated, one pair of quotes around the whole value is removed, and nothing is
 * expanded. Only ASCII white space is trimmed. Pure.
 */
import { UserError } from "./values/errors.ts";

/** ASCII white space: any other may be part of a value, or a byte that is not UTF-8. */
const BLANKS = /^[ \t\v\f\r]+|[ \t\v\f\r]+$/g;

/**
 * @param path for messages only
 * @throws {UserError} with the number of the first line that it cannot read
 */
export function parseEnvFile(text: string, path: string): Record<string, string> {
  const variables = new Map<string, string>();
  text.replace(/^\uFEFF/, "").split("\n").forEach((raw, index) => {
    const refuse = (why: string) => new UserError(`Cannot read ${path} line ${index + 1}: ${why}`);
    const line = raw.replace(BLANKS, "").replace(/^export[ \t]+/, "");
    if (line === "" || line.startsWith("#")) return;
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line);
    if (match === null) throw refuse(`want NAME=VALUE, got "${line}"`);
    if (line.includes("\0")) throw refuse("it holds a NUL character");
    const quoted = /^(["'])(.*)\1$/s.exec(match[2]!);
    variables.set(match[1]!, quoted ? quoted[2]! : match[2]!);
  });
  return Object.fromEntries(variables);
}
