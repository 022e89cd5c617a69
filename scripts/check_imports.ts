/**
 * Checks the structure of `src/`: imports only downwards (check_imports_rules.ts), no circles, pure
 * files pure, one runtime's globals only at the seam, and a few habits of CONTRIBUTING.md that no
 * linter knows: file length, first comment, no default export, no top-level await.
 *
 *   deno run -A scripts/check_imports.ts [--graph]
 *
 * Prints one line for each finding, and exits 1 if there was one. `--graph` prints the folders'
 * real imports instead.
 */
import * as esbuild from "esbuild";
import { type Exception, RULES, type Rules } from "./check_imports_rules.ts";
import { deadExports } from "./check_exports.ts";
import { blank, type Import, importsOf, lineAt } from "./check_imports_source.ts";

export interface Finding {
  /** Relative to `src/`. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly rule:
    | "direction"
    | "circle"
    | "reserved"
    | "module"
    | "pure"
    | "clock"
    | "global"
    | "length"
    | "imports"
    | "folder"
    | "extends"
    | "dead-export"
    | "comment"
    | "default-export"
    | "top-level-await";
  readonly message: string;
}

interface Source {
  readonly file: string;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

/** What a pure file may not name, besides the globals of a runtime. */
const IMPURE =
  /\b(?:Date\.now|new Date\(\)|performance\.|setTimeout|setInterval|Math\.random|fetch\()/g;

/** What only `platform/` may name: everything else that waits, or asks for the time, gets a `Clock`. */
const TIME = /(?<![\w$.])(?:setTimeout|setInterval|performance\.now|Date\.now|new Date\(\))/g;

/** Everything but top-level await. @param files path relative to `src/` -> source */
export function checkSources(files: ReadonlyMap<string, string>, rules: Rules = RULES): Finding[] {
  const sources = [...files].map(([file, text]): Source => {
    const code = blank(text);
    return { file, text, code, imports: importsOf(text, code) };
  });
  const classes = new Set(sources.flatMap(({ code }) => classNames(code)));
  const findings = sources.flatMap((source) => [
    ...source.imports.flatMap((each) => checkImport(source.file, each, files, rules)),
    ...checkGlobals(source, rules),
    ...checkClock(source),
    ...checkHabits(source, rules),
    ...checkInheritance(source, classes),
  ]);
  return [...findings, ...circles(sources), ...checkFolders(files, rules)].sort((a, b) =>
    a.file.localeCompare(b.file) || a.line - b.line
  );
}

/** Modules of deno.json that are files of `src/`. */
const ALIASES: Readonly<Record<string, string>> = {
  "@std/cli/parse-args": "cli/words/parse_args.ts",
};

/** Names that are exported in vain; makes sense for all of `src/` only. */
function checkExports(files: ReadonlyMap<string, string>): Finding[] {
  const sources = [...files].map(([file, text]) => {
    const code = blank(text);
    return { file, code, imports: importsOf(text, code) };
  });
  const target = (file: string, specifier: string) =>
    specifier.startsWith(".") ? resolve(file, specifier) : ALIASES[specifier] ?? null;
  return deadExports(sources, RULES.tested, target)
    .map((each): Finding => ({ ...each, rule: "dead-export" }));
}

function checkImport(
  file: string,
  { specifier, typeOnly, line }: Import,
  files: ReadonlyMap<string, string>,
  rules: Rules,
): Finding[] {
  const find = (rule: Finding["rule"], message: string) => [{ file, line, rule, message }];
  if (specifier === null) return find("direction", "imports something that is not a literal");
  if (!specifier.startsWith(".")) return checkModule(file, specifier, rules, find);
  const target = resolve(file, specifier);
  if (!files.has(target)) return find("direction", `imports "${specifier}", which is not in src/`);
  const reserved = rules.reserved[target];
  if (reserved !== undefined && !isIn(file, reserved)) {
    return find("reserved", `imports ${target}, which only ${list(reserved)} may`);
  }
  const isolated = rules.isolated.find((group) => group.includes(file));
  if (isolated !== undefined && !isolated.includes(target)) {
    return find("pure", `imports ${target}, but only ${list(isolated)} are of its kind`);
  }
  return mayImport(file, target, typeOnly, rules)
    ? []
    : find("direction", directionMessage(file, target, rules));
}

function checkModule(
  file: string,
  specifier: string,
  rules: Rules,
  find: (rule: Finding["rule"], message: string) => Finding[],
): Finding[] {
  const users = rules.modules[specifier];
  if (users === undefined) return find("module", `imports "${specifier}", which no file may`);
  return isIn(file, users)
    ? []
    : find("module", `imports "${specifier}", which only ${list(users)} may`);
}

function mayImport(file: string, target: string, typeOnly: boolean, rules: Rules): boolean {
  const from = folderOf(file, rules);
  if (from === "") return (rules.entries[file] ?? []).includes(target);
  if (from === folderOf(target, rules)) return true;
  const row = rules.layers[from] ?? [];
  if (isIn(target, row) || typeOnly && row.includes(`${target} (types)`)) return true;
  return rules.grants.some((grant) => grant.file === file && isIn(target, grant.imports));
}

function directionMessage(file: string, target: string, rules: Rules): string {
  const folder = folderOf(file, rules);
  const row = folder === "" ? rules.entries[file] : rules.layers[folder];
  const who = folder === "" ? file : `${folder}/`;
  if (row === undefined) return `${who} has no row in scripts/check_imports_rules.ts`;
  if (row.includes(`${target} (types)`)) {
    return `imports values of ${target}, but only types may be`;
  }
  return `imports ${target}, but ${who} may import ${row.length === 0 ? "nothing" : list(row)}`;
}

function checkGlobals({ file, code }: Source, rules: Rules): Finding[] {
  const names = Object.keys(rules.globals).join("|");
  const used = [...code.matchAll(new RegExp(`(?<![\\w$.])(${names})\\s*\\??\\.`, "g"))];
  const findings = used.flatMap((match): Finding[] => {
    const name = match[1] ?? "";
    const places = rules.globals[name] ?? [];
    if (isIn(file, places)) return [];
    const message = `names ${name}, which only ${list(places)} may`;
    return [{ file, line: lineAt(code, match.index), rule: "global", message }];
  });
  if (!isIn(file, rules.pure)) return findings;
  const impure = [...code.matchAll(IMPURE)].map((match): Finding => ({
    file,
    line: lineAt(code, match.index),
    rule: "pure",
    message: `uses ${
      match[0].replace(/[.(]+\)?$/, "")
    }, but is to give the same for the same input`,
  }));
  return [...findings, ...impure];
}

function checkClock({ file, code }: Source): Finding[] {
  if (isIn(file, ["platform"])) return [];
  return [...code.matchAll(TIME)].map((match): Finding => ({
    file,
    line: lineAt(code, match.index),
    rule: "clock",
    message: `uses ${match[0].replace("()", "")}: take a Clock (platform/clock.ts)`,
  }));
}

function checkHabits({ file, text, code, imports }: Source, rules: Rules): Finding[] {
  const findings: Finding[] = [];
  const lines = text.split("\n").length - 1;
  if (lines > rules.maxLines) {
    const message = `has ${lines} lines, but ${rules.maxLines} are the most: split it`;
    findings.push({ file, line: lines, rule: "length", message });
  }
  if (imports.length > rules.maxImports) {
    const message = `has ${imports.length} imports, but ${rules.maxImports} are the most`;
    findings.push({ file, line: 1, rule: "imports", message });
  }
  if (!/^\/[/*]/.test(text)) {
    const message = "does not begin with a comment that says what it guarantees";
    findings.push({ file, line: 1, rule: "comment", message });
  }
  for (const match of code.matchAll(/\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/g)) {
    const message = "has a default export: give it a name";
    findings.push({ file, line: lineAt(code, match.index), rule: "default-export", message });
  }
  return findings;
}

/** "export class Fd implements Disposable" -> "Fd" */
function classNames(code: string): string[] {
  return [...code.matchAll(/\bclass\s+(\w+)/g)].map((match) => match[1] ?? "");
}

/** No class extends another of ours: what two share is a part of both, or a function. */
function checkInheritance({ file, code }: Source, classes: ReadonlySet<string>): Finding[] {
  const found = [...code.matchAll(/\bclass\s+(\w+)(?:<[^{]*>)?\s+extends\s+(\w+)/g)];
  return found.filter(([, , base = ""]) => classes.has(base)).map((match): Finding => ({
    file,
    line: lineAt(code, match.index),
    rule: "extends",
    message: `${match[1]} extends ${match[2]}: use a function, or a member`,
  }));
}

/** More files than one can take in at a glance are several rooms. */
function checkFolders(files: ReadonlyMap<string, string>, rules: Rules): Finding[] {
  const counts = new Map<string, number>();
  for (const file of files.keys()) {
    const folder = file.slice(0, Math.max(0, file.lastIndexOf("/")));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > rules.maxFiles).map(([folder, count]) => ({
    file: `${folder}/`,
    line: 1,
    rule: "folder",
    message: `has ${count} files, but ${rules.maxFiles} are the most: make a sub-folder`,
  }));
}

/** Circular imports; also of types, which no bundler minds but every reader does. */
function circles(sources: readonly Source[]): Finding[] {
  const graph = new Map(sources.map(({ file, imports }) => {
    const local = imports.filter(({ specifier }) => specifier?.startsWith("."));
    return [
      file,
      local.map(({ specifier, line }) => ({ to: resolve(file, specifier ?? ""), line })),
    ];
  }));
  const findings: Finding[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    for (const { to, line } of graph.get(file) ?? []) {
      const start = path.indexOf(to);
      if (start >= 0) {
        const message = `closes a circle: ${[...path.slice(start), to].join(" -> ")}`;
        findings.push({ file, line, rule: "circle", message });
      } else if (!done.has(to)) visit(to, [...path, to]);
    }
    done.add(file);
  };
  for (const { file } of sources) if (!done.has(file)) visit(file, [file]);
  return findings;
}

/** The CommonJS format has no top-level await: esbuild says where there is one. */
export async function findTopLevelAwait(file: string, text: string): Promise<Finding[]> {
  if (folderOf(file) === "") return [];
  try {
    await esbuild.transform(text, { loader: "ts", format: "cjs", logLevel: "silent" });
    return [];
  } catch (error) {
    return (error as esbuild.BuildFailure).errors.map(({ text, location }): Finding => ({
      file,
      line: location?.line ?? 1,
      rule: "top-level-await",
      message: text.startsWith("Top-level await") ? "awaits while it is being loaded" : text,
    }));
  }
}

/** The folders' real imports. @returns lines such as "drain -> platform, steering" */
export function graphLines(files: ReadonlyMap<string, string>): string[] {
  const graph = new Map<string, Set<string>>();
  for (const [file, text] of files) {
    const row = graph.get(folderOf(file)) ?? new Set();
    graph.set(folderOf(file), row);
    for (const { specifier } of importsOf(text, blank(text))) {
      const folder = specifier?.startsWith(".") ? folderOf(resolve(file, specifier)) : null;
      if (folder !== null && folder !== folderOf(file)) row.add(folder);
    }
  }
  return [...graph].map(([folder, row]) => `${folder || "main_*"} -> ${[...row].sort().join(", ")}`)
    .sort();
}

/** "cli/run.ts", "../platform/fd.ts" -> "platform/fd.ts" */
function resolve(file: string, specifier: string): string {
  const parts = file.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === ".." && parts.length > 0) parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/**
 * The folder whose row holds for a file: the longest that has one, else the first folder of its path.
 * "cli/run.ts" -> "cli", "cli/words/parse.ts" -> "cli/words", "platform/libc/libc.ts" -> "platform", "main_bun.ts" -> ""
 */
function folderOf(file: string, rules: Rules = RULES): string {
  const parts = file.split("/").slice(0, -1);
  for (let length = parts.length; length > 0; length--) {
    const folder = parts.slice(0, length).join("/");
    if (rules.layers[folder] !== undefined) return folder;
  }
  return parts[0] ?? "";
}

/** Whether the file is one of these, or in a folder that is. */
function isIn(file: string, places: readonly string[]): boolean {
  return places.some((place) => file === place || file.startsWith(`${place}/`));
}

function list(places: readonly string[]): string {
  return places.map((place) => /\.ts\b/.test(place) ? place : `${place}/`).join(", ");
}

async function readSources(folder: string, prefix = ""): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    const inner = isDirectory ? await readSources(path, `${prefix}${name}/`) : [];
    for (const [file, text] of inner) files.set(file, text);
    if (name.endsWith(".ts")) files.set(prefix + name, await Deno.readTextFile(path));
  }
  return files;
}

async function main(): Promise<number> {
  const files = await readSources(new URL("../src", import.meta.url).pathname);
  if (Deno.args.includes("--graph")) {
    for (const line of graphLines(files)) print(line);
    return 0;
  }
  const awaits = await Promise.all([...files].map(([file, text]) => findTopLevelAwait(file, text)));
  await esbuild.stop();
  const findings = [...checkSources(files), ...checkExports(files), ...awaits.flat()];
  let failed = 0;
  for (const finding of findings) {
    const { file, line, rule, message } = finding;
    const known = RULES.exceptions.find((each) => isExcused(finding, each));
    print(`src/${file}:${line}: ${message} [${rule}]${known ? ` (known: ${known.why})` : ""}`);
    if (known === undefined) failed++;
  }
  for (const exception of RULES.exceptions) {
    if (findings.some((finding) => isExcused(finding, exception))) continue;
    const { file, rule, about } = exception;
    print(`src/${file} keeps the rule "${rule}" about ${about} now: remove its exception`);
    failed++;
  }
  print(`${files.size} files in src/, ${failed} findings`);
  return failed === 0 ? 0 : 1;
}

function isExcused({ file, rule, message }: Finding, exception: Exception): boolean {
  return file === exception.file && rule === exception.rule && message.includes(exception.about);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) Deno.exit(await main());
