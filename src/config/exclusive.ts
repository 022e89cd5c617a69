/**
 * Which servers must not run twice at the same time, and why: what a second copy would do to the files of the first.
 *
 * Guarantees: every rule rests on the server's own documentation; a server that no rule names is not exclusive. Pure: the
 * caller reads the files.
 */
import { commandLine } from "./servers/command_line.ts";
import { EXCLUSIVE_RULES } from "./servers/exclusive_rules.ts";
import { isShell } from "./servers/shell_script.ts";
import { baseName } from "./servers/wrappers.ts";

/**
 * @param directory absolute; relative paths in the command line start there
 * @param read returns null when there is no such file, or it may not be read
 * @returns why two copies of this command must not run at the same time, for people; null: nothing is known against it
 */
export function exclusiveUse(
  argv: readonly string[],
  directory: string,
  read: (path: string) => string | null,
): string | null {
  const server = commandLine(argv).argv;
  // `sh /opt/kafka/bin/kafka-server-start.sh`
  const [program = "", ...words] = isShell(server[0] ?? "") ? server.slice(1) : server;
  const name = baseName(program);
  const look = {
    read: (path: string) => read(path.startsWith("/") ? path : `${directory}/${path}`),
  };
  const rule = EXCLUSIVE_RULES.find(({ names, applies }) =>
    names.split(" ").includes(name) && (applies?.(words, look) ?? true)
  );
  return rule === undefined ? null : `${name} ${rule.reason}`;
}
