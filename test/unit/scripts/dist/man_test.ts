/** The manual pages name everything, and no text of ours is taken for a request of roff. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandPage, filePage } from "../../../../scripts/dist/man/pages.ts";
import { argument, entry, firstTable, plain, roff } from "../../../../scripts/dist/man/roff.ts";
import { EXIT_STATUSES } from "../../../../scripts/exit_statuses.ts";
import { VERB_NAMES, VERBS } from "../../../../src/cli/words/verbs.ts";
import { fileKey, OPTION_GROUPS, OPTIONS } from "../../../../src/config/options.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
const SIGNALS = join(HERE, "../../../../docs/signals.md");
const FACTS = {
  version: "1.2.3",
  date: "2026-11-29",
  signals: readFileSync(SIGNALS, "utf8"),
};

describe("roff()", () => {
  const table: readonly (readonly [text: string, line: string])[] = [
    ["plain", "plain"],
    ["--a-b", "\\-\\-a\\-b"],
    [".SH no request", "\\&.SH no request"],
    ["'quoted' first", "\\&'quoted' first"],
    ["a\\b", "a\\eb"],
    ["~/x ^ `y`", "\\(ti/x \\(ha \\(gay\\(ga"],
  ];
  for (const [text, line] of table) {
    it(`writes ${JSON.stringify(text)} as it is to be read`, () => assert.equal(roff(text), line));
  }

  it("breaks lines, and none of them begins as a request does", () => {
    const lines = roff("word ".repeat(20) + ".PP 'x' .SH".repeat(9)).split("\n");
    assert.ok(lines.length > 2);
    for (const line of lines) assert.match(line, /^(?![.'])/);
    for (const line of lines) assert.ok(line.length <= 80, line);
  });

  it("quotes arguments", () => {
    assert.equal(argument('say "x" -y'), '"say \\(dqx\\(dq \\-y"');
    assert.equal(entry("--a", "FILE", "Text."), '.TP\n.BI "\\-\\-a " "FILE"\nText.');
  });
});

describe("Markdown", () => {
  it("loses its links and its code", () => {
    assert.equal(plain("`HUP`: *see* [there](x.md#y)."), "HUP: see there.");
  });

  it("gives its first table", () => {
    const page =
      "# A\n\n| a | b |\n| --- | --- |\n| `1\\|2` | c |\n| 3 | [d](e) |\n\n| no | no |\n";
    assert.deepEqual(firstTable(page), [["1|2", "c"], ["3", "d"]]);
    assert.throws(() => firstTable("no table"), /Cannot find a table/);
  });
});

describe("baton(1)", () => {
  const page = commandPage(FACTS);

  it("names every command, option, group, status and the signals", () => {
    for (const verb of VERB_NAMES) {
      assert.match(page, new RegExp(`^\\.SS "baton ${verb.replace("-", ".{1,3}")}[ "]`, "m"));
      for (const { flag } of VERBS[verb].flags) {
        const where = verb === "run" ? page.slice(page.indexOf(argument("OPTIONS OF RUN"))) : page;
        assert.ok(where.includes(`"${roff(`--${flag}`)}`), flag);
      }
    }
    for (const group of OPTION_GROUPS) assert.ok(page.includes(`.SS ${argument(group)}`), group);
    for (const { status } of EXIT_STATUSES) assert.ok(page.includes(`.B ${argument(status)}`));
    for (const signal of ["HUP", "USR2", "TTIN, TTOU"]) assert.ok(page.includes(`.B "${signal}`));
  });

  it("begins with its title, its section, the date and the version", () => {
    assert.match(page, /^\.TH BATON 1 2026-11-29 "baton 1\.2\.3" baton\n/);
  });
});

describe("baton.toml(5)", () => {
  const page = filePage(FACTS);

  it("names every key, with its value", () => {
    for (const { flag, placeholder } of OPTIONS) {
      const value = roff(placeholder ?? "true|false");
      assert.ok(page.includes(`"${roff(fileKey(flag))} = " "${value}`), flag);
    }
    assert.match(page, /"command = " "\[PROGRAM/);
  });
});
