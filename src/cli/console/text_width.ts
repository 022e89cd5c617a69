/** Text of others in the columns of a terminal: it must neither move the cursor nor be longer than it seems. Pure. */

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** Combining characters and variation selectors take no column. */
const WITHOUT_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;
/** East Asian wide and fullwidth (Unicode, annex 11), and what terminals show as emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;

/** `text` without control characters, and without those that turn the direction of what follows. */
export function harmless(text: string): string {
  return text.replace(CONTROL, (char) => char === "\t" ? " " : "?");
}

/** Columns that `text` takes. */
export function columnsOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return [...text].reduce((sum, char) => sum + widthOf(char), 0);
}

function widthOf(char: string): number {
  if (WITHOUT_WIDTH.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}

/** @returns the beginning of `text`, at most `columns` wide */
export function clip(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let taken = 0;
  let end = "";
  for (const char of text) {
    taken += widthOf(char);
    if (taken > columns) break;
    end += char;
  }
  return end;
}
