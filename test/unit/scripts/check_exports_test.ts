/** A name that no other file imports is found, whichever way it is exported and the others are imported. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deadExports } from "../../../scripts/check_exports.ts";
import { blank, importsOf } from "../../../scripts/check_imports_source.ts";

const resolve = (_: string, specifier: string) => specifier.replace("./", "");

/** @param importer source of "b.ts", which is all that imports "a.ts" */
function messages(exporter: string, importer = "", tested: readonly string[] = []): string[] {
  const sources = [["a.ts", exporter], ["b.ts", importer]].map(([file = "", text = ""]) => {
    const code = blank(text);
    return { file, code, imports: importsOf(text, code) };
  });
  return deadExports(sources, tested.length > 0 ? { "a.ts": tested } : {}, resolve)
    .map(({ file, line, message }) => `${file}:${line}: ${message}`);
}

const DEAD = "a.ts:1: exports it, which no other file of src/ imports";

describe("deadExports() finds", () => {
  for (
    const text of [
      "export const it = 1;",
      "export let it = 1;",
      "export function it() {}",
      "export async function it() {}",
      "export function* it() {}",
      "export class it {}",
      "export abstract class it {}",
      "export interface it {}",
      "export type it = 1;",
      "export enum it {}",
      "const it = 1; it;\nexport { it };",
      "const other = 1;\nexport { other as it };",
      'export type { it } from "./b.ts";',
    ]
  ) {
    test(text, () => {
      const line = text.split("\n").length;
      assert.deepEqual(messages(text), [DEAD.replace(":1:", `:${line}:`)]);
      assert.deepEqual(messages(text, 'import { it } from "./a.ts";'), []);
    });
  }

  const importers: [string, boolean][] = [
    ['import { it } from "./a.ts";', true],
    ['import { other, type it as that } from "./a.ts";', true],
    ['import type { it } from "./a.ts";', true],
    ['import * as all from "./a.ts"; all;', true],
    ['await import("./a.ts");', true],
    ['const { it } = await import("./a.ts");', true],
    ['const { other } = await import("./a.ts");', false],
    ['(await import("./a.ts")).it;', true],
    ['(await import("./a.ts")).other;', false],
    ['export { it } from "./a.ts";', true],
    ['import { other as it } from "./a.ts";', false],
    ['import { it } from "./c.ts";', false],
    ['// import { it } from "./a.ts";', false],
  ];
  for (const [importer, isUsed] of importers) {
    test(`${isUsed ? "no" : "a"} dead name with ${importer}`, () => {
      const found = messages("export const it = 1;", importer).filter((each) =>
        each.startsWith("a")
      );
      assert.deepEqual(found, isUsed ? [] : [DEAD]);
    });
  }

  test("nothing in what is not exported, or in a comment or string", () => {
    assert.deepEqual(
      messages('const it = "\\\nexport const it";\n/*\nexport const it = 1;\n*/'),
      [],
    );
  });

  test("no name that is listed as tested; a listed one that needs no listing", () => {
    const idle = "a.ts:1: it need not be in TESTED of check_imports_rules.ts";
    assert.deepEqual(messages("export const it = 1;", "", ["it"]), []);
    assert.deepEqual(messages("export const it = 1;", 'import { it } from "./a.ts";', ["it"]), [
      idle,
    ]);
    assert.deepEqual(messages("const it = 1;", "", ["it"]), [idle]);
  });
});
