/**
 * Reads one TypeScript file as far as the import check needs it: its imports, and its code without
 * comments and strings. Not a parser: it knows comments, strings, templates and regular
 * expressions, which are what could hide an import or look like one.
 */

export interface Import {
  /** As written: "../platform/fd.ts", "node:fs"; null when it is not a literal. */
  readonly specifier: string | null;
  /** Only types: nothing of it is left in the bundle. */
  readonly typeOnly: boolean;
  /** As the other file exports them; "*": all of them, or unknown. */
  readonly names: readonly string[];
  /** From 1. */
  readonly line: number;
}

const COMMENT = /\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)/y;
const STRING = /"(?:[^"\\\n]|\\[^])*"?|'(?:[^'\\\n]|\\[^])*'?/y;
/** Text of a template, up to its end or to the next `${`. */
const TEMPLATE_TEXT = /(?:[^\\`$]|\\[^]|\$(?!\{))*/y;
const REGEXP = /\/(?:[^\\/[\n]|\\.|\[(?:[^\\\]\n]|\\.)*\])+\//y;
/** A `/` after one of these begins a regular expression; after anything else it divides. */
const BEFORE_REGEXP = /(?:^|[=(,:;!&|?{[+*%<>~^-]|\b(?:return|typeof|case|in|of|throw|await))\s*$/;
/** Enough of what went before to know which of the two it is. */
const LOOK_BEHIND = 200;

const STATEMENT =
  /\b(?:import|export)\s+(type\s+)?(?:([\w$*{},\s]+?)\s*\bfrom\s*)?(["'])( *)\3(?!\s*\()/g;
const CALL = /\bimport\s*\(\s*(?:(["'])( *)\1)?/g;

/**
 * The source with comments and the insides of strings and regular expressions replaced by spaces:
 * same length, same lines. Code in the `${}` of a template stays.
 */
export function blank(source: string): string {
  let out = "";
  /** For each open `${}`, the outermost first: the depth of braces in it. */
  const depths: number[] = [];
  const match = (pattern: RegExp): number => {
    pattern.lastIndex = out.length;
    return pattern.exec(source)?.[0].length ?? 0;
  };
  const keep = (length: number) => out += source.slice(out.length, out.length + length);
  const hide = (length: number) => {
    out += source.slice(out.length, out.length + length).replace(/[^\n]/g, " ");
  };
  const templateText = () => {
    hide(match(TEMPLATE_TEXT));
    const opens = source.startsWith("${", out.length);
    if (opens) depths.push(0);
    keep(opens ? 2 : 1);
  };
  while (out.length < source.length) {
    const character = source[out.length] ?? "";
    const comment = character === "/" ? match(COMMENT) : 0;
    if (comment > 0) {
      hide(comment);
    } else if (character === '"' || character === "'") {
      const length = match(STRING);
      keep(1);
      hide(length - 2);
      keep(length > 1 ? 1 : 0);
    } else if (character === "`") {
      keep(1);
      templateText();
    } else if (character === "/" && BEFORE_REGEXP.test(out.slice(-LOOK_BEHIND))) {
      const length = Math.max(match(REGEXP), 2);
      keep(1);
      hide(length - 2);
      keep(1);
    } else {
      keep(1);
      const depth = depths.at(-1);
      if (depth === undefined) continue;
      if (character === "{") depths[depths.length - 1] = depth + 1;
      if (character !== "}") continue;
      depths[depths.length - 1] = depth - 1;
      if (depth > 0) continue;
      depths.pop();
      templateText();
    }
  }
  return out;
}

/** All imports and re-exports, static and dynamic, in order. @param code what `blank` made of it */
export function importsOf(source: string, code: string): Import[] {
  const found = [...code.matchAll(STATEMENT)].map((match) => {
    const [text, type, clause = "", , gap = ""] = match;
    const end = match.index + text.length - 1;
    return {
      specifier: source.slice(end - gap.length, end),
      typeOnly: type !== undefined || namesTypesOnly(clause),
      names: namesIn(clause),
      index: match.index,
    };
  });
  const calls = [...code.matchAll(CALL)].map((match) => {
    const [text, quote, gap = ""] = match;
    const end = match.index + text.length - 1;
    const specifier = quote === undefined ? null : source.slice(end - gap.length, end);
    const names = usedOf(code, match.index, end + 1);
    return { specifier, typeOnly: false, names, index: match.index };
  });
  return [...found, ...calls].sort((a, b) => a.index - b.index)
    .map(({ index, ...found }) => ({ ...found, line: lineAt(source, index) }));
}

/** Names that are used of a dynamic import: `const { a, b } = await import(...)`, or `(await import(...)).a`. */
function usedOf(code: string, index: number, end: number): readonly string[] {
  const before = code.slice(Math.max(0, index - LOOK_BEHIND), index);
  const clause = /(\{[^{}]*\})\s*=\s*await\s+$/.exec(before)?.[1];
  if (clause !== undefined) return namesIn(clause);
  const member = /\(\s*await\s+$/.test(before) && /^\s*\)\s*\)\s*\.(\w+)/.exec(code.slice(end));
  return member ? [member[1]!] : ["*"];
}

/** `{ type A, type B }` */
function namesTypesOnly(clause: string): boolean {
  const names = wordsIn(clause) ?? [];
  return names.length > 0 && names.every((name) => name.startsWith("type "));
}

/** "{ a, type b as c }" -> ["a", "b"], "* as all" -> ["*"] */
function namesIn(clause: string): string[] {
  return wordsIn(clause)?.map((name) => name.replace(/^type\s+/, "").split(/\s+as\s+/)[0]!) ??
    ["*"];
}

/** What stands between the braces; null where there are none. */
function wordsIn(clause: string): string[] | null {
  const inner = /^\s*\{([^]*)\}\s*$/.exec(clause)?.[1];
  return inner?.split(",").map((name) => name.trim()).filter((name) => name !== "") ?? null;
}

/** The line of an index, from 1. */
export function lineAt(source: string, index: number): number {
  return source.slice(0, index).split("\n").length;
}
