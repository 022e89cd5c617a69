/**
 * Sources, documentation and messages are written in plain English, without words that hide who does what. And no literal
 * is spread into another one only to keep several values on one line: that limit may only fall.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const UNPLAIN =
  /\b(?:nobody|whoever|whomever|anew|for ever|is told|are told|told from|goes on|let be)\b/i;
/** `...[` or `...{` with a literal behind it: not `...[first, ...rest].map(`, whose value is another one. */
const SPREAD_LITERAL = /\.\.\.(?:\[[^\]]*\]|\{[^}]*\})(?!\s*[.[?(])/;
const MOST_SPREADS = { src: 9, scripts: 26, test: 79 };

const MOST_TEST_LINES = 400;

/** Lines of the files below `paths` that match, as "src/a.ts:3: the line". */
function linesWith(pattern: RegExp, paths: readonly string[], ending: RegExp): string[] {
  return paths.flatMap((path) => {
    const files = statSync(join(REPOSITORY, path)).isDirectory()
      ? readdirSync(join(REPOSITORY, path), { recursive: true, encoding: "utf8" })
        .map((name) => join(REPOSITORY, path, name))
      : [join(REPOSITORY, path)];
    return files.filter((file) => ending.test(file)).sort().flatMap((file) =>
      readFileSync(file, "utf8").split("\n").flatMap((line, index) =>
        pattern.test(line) ? [`${relative(REPOSITORY, file)}:${index + 1}: ${line.trim()}`] : []
      )
    );
  });
}

describe("plain English", () => {
  test("no line for readers has an unplain word", () => {
    const paths = ["src", "scripts", "docs", "examples", "README.md", "CHANGELOG.md"];
    assert.deepEqual(linesWith(UNPLAIN, paths, /\.(?:ts|md)$/), []);
  });
});

describe("literals", () => {
  for (const [folder, most] of Object.entries(MOST_SPREADS)) {
    test(`at most ${most} lines of ${folder}/ spread one only to pack lines`, () => {
      const found = linesWith(SPREAD_LITERAL, [folder], /\.ts$/);
      assert.ok(found.length <= most, `${found.length} lines:\n${found.join("\n")}`);
    });
  }

  for (
    const [line, isPacked] of [
      ['...["a", "b"],', true],
      ["...{ a, b },", true],
      ["...[a, b].map(String)", false],
      ["...rest", false],
      ["...(is ? [a] : [])", false],
    ] as const
  ) {
    test(`"${line}" ${isPacked ? "packs lines" : "does not"}`, () => {
      assert.equal(SPREAD_LITERAL.test(line), isPacked);
    });
  }
});

/** A file of this repository, as comments name it: "drain.ts", "docs/signals.md". Not a part of an address, or an ending. */
const FILE_NAME = /(?<![\w./-])(?:[\w-]+\/)*[\w-]+\.(?:ts|md)\b/g;
const COMMENT = /^\s*(?:\*|\/\*\*|\/\/)|\s\/\/\s/;
/** Names that stand for any file, and one of a repository elsewhere. */
const OTHER_FILES: ReadonlySet<string> = new Set([
  "a.ts",
  "b.ts",
  "src/a.ts",
  "_test.ts",
  "folder/file.ts",
  "PROTOCOL-HTTP2.md",
]);

test("no comment names a file that there is not", () => {
  const folders = ["docs", "examples", "findings", "scripts", "src", "test"];
  const files = folders.flatMap((folder) =>
    readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: "utf8" })
      .map((name) => `${folder}/${name}`)
  ).concat("CONTRIBUTING.md", "README.md", "CHANGELOG.md");
  const isThere = (name: string) => files.some((file) => `/${file}`.endsWith(`/${name}`));
  const lost = linesWith(COMMENT, ["scripts", "src", "test"], /\.ts$/).flatMap((line) => {
    const [, place = "", text = ""] = /^(\S+) (.*)$/.exec(line) ?? [];
    return [...text.matchAll(FILE_NAME)].map(([name]) => name)
      .filter((name) => !OTHER_FILES.has(name) && !isThere(name))
      .map((name) => `${place} ${name}`);
  });
  assert.deepEqual(lost, []);
});

test(`no test file has more than ${MOST_TEST_LINES} lines`, () => {
  const files = readdirSync(join(REPOSITORY, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("_test.ts"));
  const long = files.filter((name) => {
    const text = readFileSync(join(REPOSITORY, "test", name), "utf8");
    return text.split("\n").length > MOST_TEST_LINES + 1;
  });
  assert.deepEqual(long, []);
});
