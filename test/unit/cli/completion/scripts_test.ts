/** What each shell's completion must hold; real shells run it in test/integration/completions_test.ts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bashCompletion } from "../../../../src/cli/completion/bash.ts";
import { fishCompletion } from "../../../../src/cli/completion/fish.ts";
import {
  brief,
  type Completion,
  operandsOf,
  takesServer,
  valueOf,
} from "../../../../src/cli/completion/values.ts";
import { zshCompletion } from "../../../../src/cli/completion/zsh.ts";
import { type Verb, VERB_NAMES, VERBS } from "../../../../src/cli/words/verbs.ts";

const SHELLS = { bash: bashCompletion(), fish: fishCompletion(), zsh: zshCompletion() };

describe("valueOf()", () => {
  const table: readonly (readonly [Verb, flag: string, Completion["kind"], words?: string[]])[] = [
    ["run", "config", "file"],
    ["run", "takeover", "file"],
    ["run", "cwd", "directory"],
    ["run", "hold", "none"],
    ["run", "ready-timeout", "text"],
    ["run", "name", "text"],
    ["rehearse", "name", "text"],
    ["hot-restarter", "name", "text"],
    ["status", "name", "service"],
    ["upgrade", "exec", "program"],
    ["run", "unix", "words", ["switch", "leave"]],
    ["run", "workers", "words", ["auto"]],
    ["run", "restart-epoch", "words", ["count", "0"]],
    ["reload", "order", "words", ["auto", "start-first", "stop-first"]],
  ];
  for (const [verb, flag, kind, words] of table) {
    it(`of ${verb} --${flag} is ${kind}`, () => {
      const found = VERBS[verb].flags.find((each) => each.flag === flag);
      assert.ok(found !== undefined);
      const value = valueOf(verb, found);
      assert.equal(value.kind, kind);
      if (value.kind === "words") assert.deepEqual(value.words, words);
    });
  }

  it("of a signal is its name without SIG", () => {
    const flag = VERBS.run.flags.find((each) => each.flag === "stop-signal");
    const value = flag === undefined ? null : valueOf("run", flag);
    assert.ok(value?.kind === "words" && value.words.includes("TERM"));
  });
});

describe("operandsOf()", () => {
  const kinds: readonly (readonly [Verb, readonly Completion["kind"][], server: boolean])[] = [
    ["run", [], true],
    ["init", ["words"], true],
    ["reload", ["service"], false],
    ["canary", ["text", "service"], false],
    ["install", ["directory"], false],
    ["help", ["words"], false],
    ["hot-restarter", ["file", "text"], false],
    ["completions", ["words"], false],
    ["version", [], false],
  ];
  for (const [verb, wanted, server] of kinds) {
    it(`of ${verb}: ${wanted.join(", ") || "none"}${server ? ", then a server" : ""}`, () => {
      assert.deepEqual(operandsOf(verb).map(({ kind }) => kind), wanted);
      assert.equal(takesServer(verb), server);
    });
  }
});

describe("words in a script", () => {
  it("are the first sentence of a help text", () => {
    assert.equal(brief("Does a. Does b."), "Does a");
    assert.equal(brief("Reads x.toml, or y: z."), "Reads x.toml, or y");
    assert.equal(brief("None"), "None");
  });
});

for (const [shell, script] of Object.entries(SHELLS)) {
  describe(`the completion of ${shell}`, () => {
    it("has every command and every option", () => {
      for (const verb of VERB_NAMES) {
        assert.match(script, new RegExp(`\\b${verb}\\b`));
        for (const { flag } of VERBS[verb].flags) {
          const option = shell === "fish" ? `-l ${flag}( |$)` : `--${flag}(?![-\\w])`;
          assert.match(script, new RegExp(option, "m"), `${verb} ${flag}`);
        }
      }
    });

    it("is ASCII, and ends with a line", () => {
      assert.match(script, /^[\n -~]+\n$/);
    });
  });
}
