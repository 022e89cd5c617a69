/** Words as a shell of the Bourne family reads them again. Pure. */

/** Words that need no quotes. Placeholders are among them: braces without a comma or two dots are no expansion. */
const PLAIN = /^(?:[\w@%+=:,./-]|\{[\w:-]+\})+$/;

export function shellWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function shellLine(words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}
