/** The commands of baton in the documentation: each one that a page shows is one that baton understands. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parseCommandLine } from "../../../src/cli/words/parse.ts";
import { parseConfigText } from "../../../src/config/config_file.ts";

const ROOT = normalize(join(dirname(fileURLToPath(import.meta.url)), "../../.."));
const FENCED = /^```(?:sh|console)\n([^]*?)^```$/gm;
const FILE = 'command = ["server"]';

const PAGES = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .filter((path) => /^(?:README|docs\/[\w-]+|examples\/[\w/-]+)\.md$/.test(path)).sort();

function read(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

/** What is typed: in a session the lines behind "$ ", with the lines that they are continued on. */
function typed(block: string): readonly string[] {
  const lines = block.replaceAll(/\\\n\s*/g, "").split("\n");
  const prompts = lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
  return prompts.length > 0 ? prompts : lines;
}

/** The words behind each `baton` that begins a command, as a shell has them; quotes are taken away. */
function commandsOf(line: string): readonly string[][] {
  const start = /(?:^\s*|[|;&(!'"] *|\b(?:exec|if|npx) )(?:[A-Z_]+=\S+ )*baton (?=[a-z-])/g;
  return [...line.matchAll(start)].map((match) => {
    const rest = line.slice(match.index + match[0].length);
    const words = [
      ...rest.matchAll(/\s+#.*|[;|&><)]|(?:"[^"]*"|'[^']*'|\{[^}]*\}|[^\s;|&><)"'])+/g),
    ];
    const end = words.findIndex(([word]) => /^(?:\s+#|[;|&><)])/.test(word));
    return words.slice(0, end < 0 ? undefined : end).map(([word]) => word.replaceAll(/["']/g, ""));
  });
}

/** @returns what baton says against it, or null */
function faultOf(words: readonly string[]): string | null {
  try {
    const file = () => parseConfigText(FILE, "baton.toml");
    parseCommandLine(words, file, { findConfig: file });
    return null;
  } catch (error) {
    return `baton ${words.join(" ")}: ${error instanceof Error ? error.message : error}`;
  }
}

describe("every command that a page shows in a block of code is understood", () => {
  for (const page of PAGES) {
    it(page, () => {
      const blocks = [...read(page).matchAll(FENCED)].map(([, block = ""]) => block);
      const commands = blocks.flatMap(typed).flatMap(commandsOf);
      assert.deepEqual(commands.map(faultOf).filter((fault) => fault !== null), []);
    });
  }

  it("there are many, and a wrong one is found", () => {
    const blocks = PAGES.flatMap((page) => [...read(page).matchAll(FENCED)]);
    const commands = blocks.flatMap(([, block = ""]) => typed(block)).flatMap(commandsOf);
    assert.ok(commands.length > 70, `${commands.length} commands`);
    const line = 'A=1 baton reload --canry 10% web && baton stop; x "$(baton status)" # baton quit';
    const words = commandsOf(line);
    assert.deepEqual(words, [["reload", "--canry", "10%", "web"], ["stop"], ["status"]]);
    assert.match(String(faultOf(words[0]!)), /Unknown option --canry .*did you mean --canary/);
  });
});

describe("every command with an option in the text of a page is understood", () => {
  // `baton reload --canary 10%`, but not `baton reload --timeout TIME`.
  const span = /`baton ([a-z]+ [^`\n]*--[^`\n]*)`/g;
  const isExample = (text: string) =>
    !/\b[A-Z]{2,}\b|\.\.\.|[[|]/.test(text.split(" -- ")[0] ?? "");

  for (const page of PAGES) {
    const text = read(page).replace(/^```[^]*?^```$/gm, "");
    const examples = [...text.matchAll(span)].map(([, words = ""]) => words).filter(isExample);
    if (examples.length === 0) continue;
    it(page, () => {
      const commands = examples.flatMap((words) => commandsOf(`baton ${words}`));
      const faults = commands.map(faultOf).filter((fault) => fault !== null);
      // Only named there: `baton stop --timeout`.
      const isShort = (fault: string) => /needs a value: [A-Z]+$|it is missing$/.test(fault);
      assert.deepEqual(faults.filter((fault) => !isShort(fault)), []);
    });
  }
});
