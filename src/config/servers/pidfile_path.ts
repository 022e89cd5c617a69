/** The server's own pid file, where its command line names it. Pure. */
import type { PidfileHabit, PidfileOption } from "./preset_table.ts";

interface Pidfile {
  readonly habit: PidfileHabit;
  readonly option: PidfileOption | null;
}

/**
 * Of servers that write it without a look at what is there: to keep it for them costs nothing. Those that check it need
 * one for each generation.
 *
 * @param words after the program
 * @returns an absolute path that is the same for all generations; null: none is known
 */
export function pidfilePath(pidfile: Pidfile | null, words: readonly string[]): string | null {
  if (pidfile === null || pidfile.habit === "checks" || pidfile.option === null) return null;
  const { names, pattern } = pidfile.option;
  const values = words.flatMap((word, at) =>
    names.split(" ").flatMap((name) => {
      if (word === name) return words[at + 1] ?? [];
      if (word.startsWith(`${name}=`)) return word.slice(name.length + 1);
      return pattern !== null && word.startsWith(name) ? word.slice(name.length) : [];
    })
  );
  const paths = values.flatMap((value) =>
    pattern === null ? value : pattern.exec(value)?.[1] ?? []
  );
  const path = paths.at(-1) ?? "";
  // "{epoch}" is another path for each generation.
  return path.startsWith("/") && !path.includes("{") ? path : null;
}
