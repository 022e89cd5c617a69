/** Apart from the parser, which takes longer to load than the answer does. Pure. */
export function asksForVersion([first]: readonly string[]): boolean {
  return first === "--version" || first === "-V";
}
