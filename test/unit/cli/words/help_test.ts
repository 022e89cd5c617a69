/** The help text: complete, within 80 columns, and its examples are true. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { helpText } from "../../../../src/cli/words/help.ts";
import { VERB_NAMES, VERBS } from "../../../../src/cli/words/verbs.ts";
import { parseCommandLine } from "../../../../src/cli/words/parse.ts";
import { parseConfigText } from "../../../../src/config/config_file.ts";

const TOPICS = [null, ...VERB_NAMES];

describe("helpText()", () => {
  for (const topic of TOPICS) {
    it(`fits into 80 columns for ${topic ?? "the program"}`, () => {
      const text = helpText(topic);
      assert.ok(text.endsWith("\n") && !text.endsWith("\n\n"));
      for (const line of text.split("\n")) {
        assert.ok(line.length <= 80, line);
        assert.equal(line, line.trimEnd());
      }
    });
  }

  it("names every command", () => {
    for (const verb of VERB_NAMES) assert.match(helpText(null), new RegExp(`^  ${verb} `, "m"));
  });

  for (const verb of VERB_NAMES) {
    it(`names every option of ${verb}, and shows 2 or 3 examples`, () => {
      const text = helpText(verb);
      assert.match(text, new RegExp(`^Usage: baton ${verb} `));
      for (const { flag } of VERBS[verb].flags) {
        assert.match(text, new RegExp(`^  --${flag}( |$)`, "m"));
      }
      const { examples } = VERBS[verb];
      assert.ok(examples.length === 2 || examples.length === 3);
      for (const [line] of examples) assert.ok(text.includes(`\n  ${line}\n`));
    });

    it(`shows examples of ${verb} that can be parsed`, () => {
      for (const [line] of VERBS[verb].examples) {
        const [program, ...argv] = line.split(" ");
        assert.equal(program, "baton");
        const command = parseCommandLine(argv, () => parseConfigText('command = ["x"]', "b.toml"));
        assert.equal(command.verb, argv.includes("--safe") ? "run" : verb);
      }
    });
  }

  it("shows the defaults as the user would write them", () => {
    const text = helpText("run").replace(/\s+/g, " ");
    for (const shown of ["1m", "500ms", "4096", "auto", "info", "capture"]) {
      assert.ok(text.includes(`[default: ${shown}]`), shown);
    }
  });

  it("explains TIME wherever it stands for a value", () => {
    for (const verb of VERB_NAMES) {
      const text = helpText(verb);
      assert.equal(
        text.includes("TIME is a number"),
        / TIME( |$)/m.test(text.split("TIME is")[0]!),
      );
    }
  });
});
