/** The tables in docs/ that are made from tables in src/ are those of src/ as it is now. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  fillPage,
  pagePath,
  PAGES,
  SCHEMA,
  schemaFile,
} from "../../../scripts/generate_option_docs.ts";
import { EXIT_STATUSES } from "../../../scripts/exit_statuses.ts";
import { OPTIONS } from "../../../src/config/options.ts";
import { PRESETS } from "../../../src/config/presets.ts";

const REMEDY = "run: deno run -A scripts/generate_option_docs.ts";

function read(page: string): string {
  return readFileSync(pagePath(page), "utf8");
}

describe("generated tables in docs/", () => {
  for (const page of PAGES) {
    it(`${page} is up to date`, () => {
      assert.equal(read(page), fillPage(read(page)), REMEDY);
    });
  }

  it(`${SCHEMA} is up to date`, () => assert.equal(read(SCHEMA), schemaFile(), REMEDY));

  it("name every option with its key's flag, every preset and every status", () => {
    for (const { flag } of OPTIONS) assert.ok(read("options.md").includes(`| \`--${flag}\``), flag);
    for (const { program } of PRESETS) assert.ok(read("presets.md").includes(`\`${program}\``));
    for (const { status } of EXIT_STATUSES) {
      assert.ok(read("exit-status.md").includes(`| \`${status}\` |`), status);
    }
  });
});

describe("fillPage()", () => {
  it("leaves what is written by hand alone", () => {
    const page =
      "before\n<!-- generated: exit statuses -->\nold\n<!-- end of generated -->\nafter\n";
    const filled = fillPage(page);
    assert.match(filled, /^before\n<!-- generated/);
    assert.match(filled, /<!-- end of generated -->\nafter\n$/);
    assert.ok(!filled.includes("\nold\n"));
    assert.equal(fillPage(filled), filled);
  });

  it("escapes what would end a cell", () => {
    assert.match(read("options.md"), /`auto\\\|adopt\\\|inherit`/);
  });

  it("refuses a table that there is not", () => {
    assert.throws(
      () => fillPage("<!-- generated: nonsense -->\n<!-- end of generated -->\n"),
      /Cannot generate "nonsense"/,
    );
  });
});
