/**
 * Questions that are answered before the parser is loaded, because loading it takes longer than some answers do. Pure.
 */

export function asksForVersion([first]: readonly string[]): boolean {
  return first === "--version" || first === "-V";
}

/** Name of the configuration file that is looked for in the working directory. */
export const FOUND_NAME = "baton.toml";
const TAKES_FILE: readonly string[] = ["run", "rehearse", "check", "init", "hot-restarter"];

/**
 * @param isThere there is a baton.toml in the working directory
 * @returns false where no configuration file is read, whatever the other words are
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
