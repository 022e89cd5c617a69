/**
 * `--env-file`: lines of `NAME=VALUE`, as systemd's EnvironmentFile= and `docker --env-file` read
 * them: blank lines and `#` comments are skipped, `export ` is tolerated, one pair of quotes around
 * the whole value is removed, nothing is expanded. Pure.
 */
import { ConfigError } from "./errors.ts";

/**
 * @param path for messages only
 * @throws {ConfigError} at the first line that is none of these, with its number
 */
export function parseEnvFile(text: string, path: string): Record<string, string> {
  const variables: Record<string, string> = {};
  text.split("\n").forEach((raw, index) => {
    const line = raw.trim().replace(/^export\s+/, "");
    if (line === "" || line.startsWith("#")) return;
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line);
    if (match === null) {
      throw new ConfigError(
        `Cannot read ${path} line ${index + 1}: want NAME=VALUE, got "${line}"`,
      );
    }
    const quoted = /^(["'])(.*)\1$/.exec(match[2]!);
    variables[match[1]!] = quoted ? quoted[2]! : match[2]!;
  });
  return variables;
}
