/**
 * Which servers must not run twice at the same time, and why: what a second copy would do to the files of the first.
 *
 * Guarantees: every rule rests on the server's own documentation; a server that no rule names is not exclusive. Pure: the
 * caller reads the files.
 */

/** What a rule may look at besides the command line. */
interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; relative paths in the command line start there. */
  readonly directory: string;
  /** @returns null when there is no such file, or it may not be read */
  read(path: string): string | null;
}

/** @returns why two copies of this command must not run at the same time, for people; null: nothing is known against it */
export function exclusiveUse(argv: readonly string[], _: Surroundings): string | null {
  if (!/(^|\/)redis-server$/.test(argv[0] ?? "")) return null;
  return "redis-server keeps its data in one file: two copies would overwrite each other's";
}
