/** Text of others, in columns. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clip, columnsOf, harmless } from "../../../../src/cli/console/text_width.ts";

describe("harmless()", () => {
  const cases: readonly [what: string, text: string, shown: string][] = [
    ["no sequence reaches the terminal", "\x1b[2J\x1b]0;title\x07", "?[2J?]0;title?"],
    ["nor does one of the 8-bit kind", "\x9b2J", "?2J"],
    ["a tab is one column", "a\tb", "a b"],
    ["nothing turns the direction", "a\u202eb", "a?b"],
    ["other text stays", "gr\u00f6\u00dfer \u65e5\u672c", "gr\u00f6\u00dfer \u65e5\u672c"],
  ];
  for (const [what, text, shown] of cases) it(what, () => assert.equal(harmless(text), shown));
});

describe("columnsOf()", () => {
  const cases: readonly [text: string, columns: number][] = [
    ["plain", 5],
    ["\u65e5\u672c", 4],
    ["e\u0301", 1],
    ["\u{1f680}", 2],
  ];
  for (const [text, columns] of cases) {
    it(`${text} takes ${columns}`, () => assert.equal(columnsOf(text), columns));
  }
});

describe("clip()", () => {
  const cases: readonly [text: string, columns: number, shown: string][] = [
    ["short", 10, "short"],
    ["exactly", 7, "exactly"],
    ["too long", 3, "too"],
    ["\u65e5\u672c\u8a9e", 5, "\u65e5\u672c"],
  ];
  for (const [text, columns, shown] of cases) {
    it(`${text} in ${columns} columns`, () => assert.equal(clip(text, columns), shown));
  }
});
