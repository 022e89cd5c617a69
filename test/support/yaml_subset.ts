/**
 * Reads as much YAML as `baton init` prints: block mappings and sequences, flow collections on one line, plain and
 * JSON strings, integers, booleans, comments on lines of their own. Refuses everything else, and a key that comes
 * twice, with the number of the line: what it accepts, every YAML reader reads alike.
 */

export type Yaml = string | number | boolean | null | Yaml[] | { [key: string]: Yaml };

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

const PLAIN = /^[A-Za-z0-9/][A-Za-z0-9._/:-]*/;
const KEY = /^([A-Za-z][A-Za-z0-9./-]*):(?: (.*))?$/;
const INTEGER = /^(?:0|[1-9][0-9]*)$/;
/** Plain, these are something else than text for one reader or another (YAML 1.1 and 1.2). */
const NO_TEXT =
  /^(?:null|~|true|false|yes|no|on|off|y|n|\.?inf|\.nan|[-+.]?[0-9][0-9a-fxo_.,:+-]*)$/i;

/** @throws {Error} "line 3: ..." */
export function parseYaml(text: string): Yaml {
  const lines: Line[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*(?:#.*)?$/.test(line)) continue;
    const indent = line.length - line.trimStart().length;
    if (line.includes("\t") || line !== line.trimEnd()) fail(index + 1, "tab, or space at the end");
    lines.push({ number: index + 1, indent, text: line.slice(indent) });
  }
  const [first] = lines;
  if (first === undefined) throw new Error("line 1: nothing is there");
  const value = block(lines, first.indent);
  const [rest] = lines;
  return rest === undefined ? value : fail(rest.number, "indented by none of the blocks around it");
}

/** Takes the lines of one block away from the front. */
function block(lines: Line[], indent: number): Yaml {
  return lines[0]!.text.startsWith("- ") ? sequence(lines, indent) : mapping(lines, indent);
}

function sequence(lines: Line[], indent: number): Yaml[] {
  const items: Yaml[] = [];
  for (let [line] = lines; line?.indent === indent && line.text.startsWith("- "); [line] = lines) {
    const inner = { ...line, indent: indent + 2, text: line.text.slice(2) };
    if (KEY.test(inner.text)) {
      lines[0] = inner;
      items.push(mapping(lines, inner.indent));
    } else {
      lines.shift();
      items.push(flowLine(inner.text, line.number));
    }
  }
  return items;
}

function mapping(lines: Line[], indent: number): { [key: string]: Yaml } {
  const entries = new Map<string, Yaml>();
  for (let [line] = lines; line?.indent === indent; [line] = lines) {
    if (line.text.startsWith("- ")) break;
    const [, key, rest] = KEY.exec(line.text) ?? fail(line.number, `no key in "${line.text}"`);
    if (entries.has(key!)) fail(line.number, `the key "${key}" comes twice`);
    lines.shift();
    entries.set(key!, rest === undefined ? below(lines, line) : flowLine(rest, line.number));
  }
  return Object.fromEntries(entries);
}

/** The block under a key: further in, or a sequence at the same place. */
function below(lines: Line[], key: Line): Yaml {
  const [next] = lines;
  const isInside = next !== undefined &&
    (next.indent > key.indent || (next.indent === key.indent && next.text.startsWith("- ")));
  return isInside ? block(lines, next.indent) : fail(key.number, `"${key.text}" has no value`);
}

function flowLine(text: string, number: number): Yaml {
  const reader = { rest: text, number };
  const value = flow(reader);
  return reader.rest === "" ? value : fail(number, `unexpected "${reader.rest}"`);
}

interface Reader {
  rest: string;
  readonly number: number;
}

function flow(reader: Reader): Yaml {
  if (take(reader, "{")) return flowMapping(reader);
  if (take(reader, "[")) return flowSequence(reader);
  return scalar(reader);
}

function flowMapping(reader: Reader): Yaml {
  const entries = new Map<string, Yaml>();
  if (take(reader, "}")) return {};
  do {
    const [all, key] = /^([A-Za-z][A-Za-z0-9]*): /.exec(reader.rest) ??
      fail(reader.number, `no key in "${reader.rest}"`);
    if (entries.has(key!)) fail(reader.number, `the key "${key}" comes twice`);
    reader.rest = reader.rest.slice(all!.length);
    entries.set(key!, flow(reader));
  } while (take(reader, ", "));
  if (!take(reader, "}")) fail(reader.number, `"}" is missing before "${reader.rest}"`);
  return Object.fromEntries(entries);
}

function flowSequence(reader: Reader): Yaml {
  const items: Yaml[] = [];
  if (take(reader, "]")) return items;
  do items.push(flow(reader)); while (take(reader, ", "));
  if (!take(reader, "]")) fail(reader.number, `"]" is missing before "${reader.rest}"`);
  return items;
}

function scalar(reader: Reader): Yaml {
  const [quoted] = /^"(?:[^"\\]|\\.)*"/.exec(reader.rest) ?? [];
  const word = quoted ?? PLAIN.exec(reader.rest)?.[0] ??
    fail(reader.number, `no value in "${reader.rest}"`);
  reader.rest = reader.rest.slice(word.length);
  if (quoted !== undefined) return JSON.parse(quoted) as string;
  if (INTEGER.test(word)) return Number(word);
  if (word === "true" || word === "false") return word === "true";
  if (NO_TEXT.test(word)) fail(reader.number, `"${word}" is not read as text: it needs quotes`);
  return word;
}

function take(reader: Reader, text: string): boolean {
  if (!reader.rest.startsWith(text)) return false;
  reader.rest = reader.rest.slice(text.length);
  return true;
}

function fail(number: number, why: string): never {
  throw new Error(`line ${number}: ${why}`);
}
