/** The file with the figures of the previous build, which this one is compared with. It is written on purpose only. */
import * as v from "valibot";
import type { KeptBuild } from "./comparison.ts";
import { type FigureName, ROWS } from "./rows.ts";

const PATH = new URL("previous.json", import.meta.url).pathname;

const NAMES = Object.keys(ROWS) as FigureName[];

const SCHEMA = v.object({
  commit: v.string(),
  date: v.pipe(v.string(), v.isoDate()),
  machine: v.string(),
  // A figure whose row is gone says nothing to anyone.
  figures: v.partial(v.object(v.entriesFromList(NAMES, v.number()))),
});

/** null: there is no such file. @throws {Error} when it is there, and is not as it should be */
export function readPrevious(): KeptBuild | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(PATH);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  return parsePrevious(text, PATH);
}

export function parsePrevious(text: string, path: string): KeptBuild {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), SCHEMA), text);
  if (parsed.success) return parsed.output;
  const why = v.flatten(parsed.issues).nested ?? v.flatten(parsed.issues).root;
  throw new Error(
    `Cannot read the previous build's figures in ${path}: ${JSON.stringify(why)}: ` +
      "write them again with: make bench BENCH='--keep --beside BINARY'",
  );
}

export function keep(build: KeptBuild): void {
  Deno.writeTextFileSync(PATH, `${JSON.stringify(merged(readPrevious(), build), null, 2)}\n`);
}

/** Only what was measured replaces what is there of the same build; another build's figures go. */
export function merged(before: KeptBuild | null, build: KeptBuild): KeptBuild {
  if (before?.commit !== build.commit) return build;
  return { ...build, figures: { ...before.figures, ...build.figures } };
}
