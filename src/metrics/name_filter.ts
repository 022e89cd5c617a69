/**
 * The part of regular expressions that people filter names with, in a time that grows with pattern times name: letters,
 * `.`, `.*`, `.+`, `|`, `^`, `$`, and `\` before what is meant as it is. The runtime's own would let one request occupy baton for
 * as long as its sender likes. Pure.
 */

/** What may stand at one place; null: any character. */
type Place = string | null;

interface Alternative {
  /** Pieces that must occur in this order, with anything between them. */
  readonly pieces: readonly (readonly Place[])[];
  readonly fromStart: boolean;
  readonly toEnd: boolean;
}

const OUTSIDE = /[()[\]{}?*+]/;
const MAX_LENGTH = 256;

/** @returns a test of names; or what is wrong with `pattern`, as a text */
export function nameFilter(pattern: string): ((name: string) => boolean) | string {
  if (pattern.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`;
  const alternatives: Alternative[] = [];
  for (const text of splitAlternatives(pattern)) {
    const parsed = parseAlternative(text);
    if (typeof parsed === "string") return parsed;
    alternatives.push(parsed);
  }
  return (name) => alternatives.some((one) => matches(one, name));
}

function splitAlternatives(pattern: string): string[] {
  const texts = [""];
  for (const token of pattern.match(/\\.?|[^\\]/gs) ?? []) {
    if (token === "|") texts.push("");
    else texts[texts.length - 1] += token;
  }
  return texts;
}

function parseAlternative(text: string): Alternative | string {
  const tokens = text.match(/\.[*+]|\\.?|[^\\]/gs) ?? [];
  const fromStart = tokens[0] === "^";
  const toEnd = tokens.at(-1) === "$";
  const pieces: Place[][] = [[]];
  for (const token of tokens.slice(fromStart ? 1 : 0, toEnd ? -1 : undefined)) {
    if (token === ".*") pieces.push([]);
    else if (token === ".+") {
      pieces.at(-1)?.push(null);
      pieces.push([]);
    } else if (token === ".") pieces.at(-1)?.push(null);
    else if (token === "\\") return "it ends with a backslash";
    else if (token.startsWith("\\")) {
      if (/\\[A-Za-z0-9]/.test(token)) return `${token} is not supported`;
      pieces.at(-1)?.push(token.slice(1));
    } else if (OUTSIDE.test(token) || token === "^" || token === "$") {
      return `${token} is not supported there: letters, ., .*, .+, |, ^, $ and \\ are`;
    } else pieces.at(-1)?.push(token);
  }
  return { pieces, fromStart, toEnd };
}

/** Whether a name fits. The leftmost place of each piece leaves the most to those after it. */
function matches({ pieces, fromStart, toEnd }: Alternative, name: string): boolean {
  let from = 0;
  for (const [index, piece] of pieces.entries()) {
    const isLast = index === pieces.length - 1;
    const last = name.length - piece.length;
    const highest = index === 0 && fromStart ? Math.min(0, last) : last;
    let at = isLast && toEnd ? Math.max(from, last) : from;
    while (at <= highest && !isAt(piece, name, at)) at++;
    if (at > highest) return false;
    from = at + piece.length;
  }
  return true;
}

function isAt(piece: readonly Place[], name: string, at: number): boolean {
  return piece.every((place, index) => place === null || place === name[at + index]);
}
