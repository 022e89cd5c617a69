/** What is asked before the parser is loaded, or what it needs: that takes longer than some answers do. Pure. */

export function asksForVersion([first]: readonly string[]): boolean {
  return first === "--version" || first === "-V";
}

/** Looked for in the working directory. */
export const FOUND_NAME = "baton.toml";
const TAKES_FILE: readonly string[] = ["run", "rehearse", "check", "init", "hot-restarter"];

/**
 * False: no file is read, whatever the other words are.
 * @param isThere there is a baton.toml in the working directory
 */
export function mayReadFile(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  isThere: () => boolean,
): boolean {
  if (!TAKES_FILE.includes(argv[0] ?? "")) return false;
  return argv.some((word) => word.startsWith("--config")) || env["BATON_CONFIG"] !== undefined ||
    isThere();
}
