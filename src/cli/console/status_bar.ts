/**
 * The last row of a terminal that other programs write to as they like: it is taken out of what scrolls (DECSTBM), as apt
 * does for its progress while dpkg prints. The cursor stays where it was, in its column. Pure: control sequences of ECMA-48
 * and the VT100.
 */

const SAVE = "\x1b7";
const RESTORE = "\x1b8";
/** Down by one row in the same column; at the end of the screen it scrolls. */
const INDEX = "\x1bD";
const UP = "\x1b[1A";
const WHOLE_SCREEN = "\x1b[r";
const CLEAR_LINE = "\x1b[2K";
const CLEAR_REST = "\x1b[K";

/** A terminal with fewer rows keeps all of them for what other programs print. */
export const LEAST_ROWS = 5;

/**
 * The cursor may be in the last row: there must be one below it first. Setting the margins moves it, and some terminals
 * restore no position outside of them.
 */
export function takeLastRow(rows: number): string {
  return `${INDEX}${UP}${SAVE}\x1b[1;${rows - 1}r${RESTORE}`;
}

/** @param text at most as long as a row */
export function inLastRow(rows: number, text: string): string {
  return `${SAVE}\x1b[${rows};1H${text}${CLEAR_REST}${RESTORE}`;
}

export function giveBackLastRow(rows: number): string {
  return `${SAVE}${WHOLE_SCREEN}\x1b[${rows};1H${CLEAR_LINE}${RESTORE}`;
}
