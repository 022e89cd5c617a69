/** The values of `--check-status`, `--check-send`, `--check-body` and their like. Pure. */
import { parsePattern } from "./check_spec.ts";
import { UserError } from "./errors.ts";

/** Statuses from..to, both included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

const MIN_STATUS = 200;
const MAX_STATUS = 599;

/** @param text `200-299,304` */
export function parseStatuses(text: string): readonly StatusRange[] {
  return text.split(",").map((part) => {
    const [, first, last] = /^\s*(\d{3})(?:-(\d{3}))?\s*$/.exec(part) ?? [];
    const from = Number(first);
    const to = last === undefined ? from : Number(last);
    // Statuses below 200 are not final.
    if (!(from >= MIN_STATUS && to <= MAX_STATUS && from <= to)) {
      throw new UserError(
        `Cannot use ${JSON.stringify(text)}: ${JSON.stringify(part)} is not a status or range of ` +
          `statuses from ${MIN_STATUS} to ${MAX_STATUS}`,
        { remedy: "Write for example 200, 200-299 or 200-299,304" },
      );
    }
    return { from, to };
  });
}

/** @param text with the escapes \r, \n, \t, \0, \\ and \xNN; the rest is taken as UTF-8 */
export function parseBytes(text: string): Uint8Array {
  const encoder = new TextEncoder();
  const bytes: number[] = [];
  const named: Readonly<Record<string, number>> = { r: 13, n: 10, t: 9, "0": 0, "\\": 92 };
  for (const [part, hex, name] of text.matchAll(/\\x([0-9a-fA-F]{2})|\\(.?)|[^\\]+/gsu)) {
    const value = hex !== undefined ? parseInt(hex, 16) : named[name ?? ""];
    if (value !== undefined) bytes.push(value);
    else if (name === undefined) bytes.push(...encoder.encode(part));
    else {
      throw new UserError(
        `Cannot use ${JSON.stringify(text)}: ${JSON.stringify(part)} is not an escape`,
        { remedy: "Write \\xNN with two hexadecimal digits, \\r, \\n, \\t, \\0 or \\\\" },
      );
    }
  }
  return Uint8Array.from(bytes);
}

/** @param text a regular expression, without delimiters */
export function parseBodyPattern(text: string): RegExp {
  return parsePattern(text, "", (why) => (
    new UserError(`Cannot use ${JSON.stringify(text)}: ${why}`)
  ));
}
