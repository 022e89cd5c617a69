/** The server's own pid file, where its command line names it. Pure. */
import type { Pidfile } from "./preset_table.ts";
import { optionValues } from "./server_files.ts";

/** What servers print that find a copy of themselves. */
const MEETS_COPY =
  /pid[ _-]?file|already running|another instance|socket is in use|hot deployment/i;

/**
 * @param output the last lines of a second copy that has failed
 * @returns how to give each generation a pid file of its own; null: that is not its trouble
 */
export function pidfileAdvice(
  { program, pidfile }: { readonly program: string; readonly pidfile: Pidfile | null },
  output: readonly string[],
): string | null {
  const own = pidfile?.own ?? null;
  if (own === null || !output.some((line) => MEETS_COPY.test(line))) return null;
  return `${program} does not start while the process that its pid file names is alive: ` +
    `give each generation its own, or none: ${own}`;
}

/**
 * The pid file of servers that write it without a look at what is there: to keep it for them costs nothing. Those that
 * check it need one for each generation.
 * @param words after the program
 * @returns an absolute path that is the same for all generations; null: none is known
 */
export function pidfilePath(pidfile: Pidfile | null, words: readonly string[]): string | null {
  if (pidfile === null || pidfile.habit === "checks" || pidfile.option === null) return null;
  const { names, pattern } = pidfile.option;
  const paths = optionValues(words, names, () => pattern !== null).flatMap((value) =>
    pattern === null ? value : pattern.exec(value)?.[1] ?? []
  );
  const path = paths.at(-1) ?? "";
  // "{epoch}" is another path for each generation.
  return path.startsWith("/") && !path.includes("{") ? path : null;
}
