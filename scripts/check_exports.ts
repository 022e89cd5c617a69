/**
 * Dead exports: names that a file of `src/` exports and no other one imports. A name that only tests need is listed in
 * `check_imports_rules.ts` (TESTED); everything else loses its `export`, or goes.
 */
import { type Import, lineAt } from "./check_imports_source.ts";

/** One file, as far as its exports are concerned. */
export interface ExportingFile {
  readonly file: string;
  /** Without comments and strings. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface DeadExport {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

const DECLARATION =
  /^export\s+(?:abstract\s+|async\s+)?(?:class|function\*?|const|let|interface|type|enum)\s+(\w+)/gm;
const LIST = /^export\s+(?:type\s+)?\{([^}]*)\}/gm;

/**
 * @param tested file -> names that only its tests import
 * @param resolve path of a file and a specifier in it -> path of the imported file, null outside
 */
export function deadExports(
  sources: readonly ExportingFile[],
  tested: Readonly<Record<string, readonly string[]>>,
  resolve: (file: string, specifier: string) => string | null,
): DeadExport[] {
  const used = new Set<string>();
  for (const { file, imports } of sources) {
    for (const { specifier, names } of imports) {
      const target = specifier === null ? null : resolve(file, specifier);
      if (target !== null && target !== file) {
        names.forEach((name) => used.add(`${target} ${name}`));
      }
    }
  }
  const isUsed = (file: string, name: string) =>
    used.has(`${file} ${name}`) || used.has(`${file} *`);
  return sources.flatMap(({ file, code }) => {
    const listed = tested[file] ?? [];
    const found = exportsOf(code);
    const dead = found.filter(({ name }) => !listed.includes(name) && !isUsed(file, name))
      .map(({ name, line }) => ({
        file,
        line,
        message: `exports ${name}, which no other file of src/ imports`,
      }));
    const idle = listed.filter((name) =>
      isUsed(file, name) || !found.some((each) => each.name === name)
    ).map((name) => ({
      file,
      line: 1,
      message: `${name} need not be in TESTED of check_imports_rules.ts`,
    }));
    return [...dead, ...idle];
  });
}

function exportsOf(code: string): { name: string; line: number }[] {
  const declared = [...code.matchAll(DECLARATION)].map(({ 1: name = "", index }) => ({
    name,
    line: lineAt(code, index),
  }));
  const listed = [...code.matchAll(LIST)].flatMap(({ 1: names = "", index }) =>
    names.split(",").map((each) => each.trim().replace(/^type\s+/, "").split(/\s+as\s+/).at(-1)!)
      .filter((name) => name !== "").map((name) => ({ name, line: lineAt(code, index) }))
  );
  return [...declared, ...listed];
}
