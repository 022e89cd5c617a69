/** What is asked before the parser is loaded, or what it needs: that takes longer than some answers do. Pure. */

export function asksForVersion([first]: readonly string[]): boolean {
  return first === "--version" || first === "-V";
}

/** False: no word is `--config`. True also where it is one of the server's own. */
export function mayNameFile(argv: readonly string[]): boolean {
  return argv.some((word) => word.startsWith("--config"));
}
