/** The tables of docs/containers.md have the rows that `make test-containers` runs, and nothing was lost in any. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { RELEASE_PLACES, SERVERS, SITUATIONS } from "../../containers/table.ts";
import { renderTable, withTables } from "../../containers/render.ts";

const PAGE = join(dirname(fileURLToPath(import.meta.url)), "../../../docs/containers.md");
/** Requests answered and lost, or not run. */
const CELL = /^(?:\d+ \/ 0|-)$/;

/** The rows of the page's tables by their first cell. */
function rowsOf(page: string): Map<string, string[]> {
  const [, text = ""] = /<!-- The tables are written[^]*?-->([^]*?)<!-- The end/.exec(page) ?? [];
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return new Map(lines.map((line) => {
    const [name = "", ...cells] = line.slice(2, -2).split(" | ");
    return [name, cells];
  }));
}

describe("docs/containers.md", () => {
  const page = readFileSync(PAGE, "utf8");

  it("has each row, and nothing was lost", () => {
    const rows = rowsOf(page);
    for (const { name } of [...SITUATIONS, ...SERVERS, ...RELEASE_PLACES]) {
      const cells = rows.get(name);
      assert.ok(cells !== undefined, `the row "${name}" is missing: make container-docs`);
      assert.deepEqual(cells.filter((cell) => !CELL.test(cell)), [], name);
    }
  });

  it("says when and with what it was seen", () => {
    assert.match(page, /^\d{4}-\d\d-\d\d, runc \S+, Linux \S+, \w+\. Requests answered \/ lost:$/m);
  });

  it("is written again without a change around the tables", () => {
    const table = renderTable("corner", [{ row: "a", column: "b", text: "1 / 0" }]);
    assert.equal(table, "| corner | b |\n| --- | --- |\n| a | 1 / 0 |");
    const written = withTables(page, table);
    assert.deepEqual([...rowsOf(written).keys()], ["corner", "---", "a"]);
    assert.equal(withTables(written, table), written);
    assert.throws(() => withTables("no marks", table), /lacks/);
  });
});
