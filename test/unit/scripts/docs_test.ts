/**
 * The documentation as a whole: every link leads somewhere, every page can be reached, and what the
 * pages list (fields, variables, capabilities, files, functions) is what the sources have.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = normalize(join(dirname(fileURLToPath(import.meta.url)), "../../.."));
/** A block of code between two lines of three backticks. */
const FENCED = /^```[^]*?^```$/gm;
const PAGES = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "test/README.md",
  ...filesBelow("docs"),
  ...filesBelow("examples"),
].filter((file) => file.endsWith(".md"));

function filesBelow(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(join(ROOT, path)).isDirectory() ? filesBelow(path) : [path];
  });
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Prose only: what stands in code blocks and code spans is no link and no heading. */
function withoutCode(text: string): string {
  return text.replace(FENCED, "").replace(
    /`[^`\n]*`/g,
    (code) => "x".repeat(code.length),
  );
}

/** Targets of `[text](target)` and `![text](target)`. */
function linksOf(page: string): string[] {
  return [...withoutCode(read(page)).matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = ""]) =>
    target
  );
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const headings = read(page).replace(FENCED, "").matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}

/** What is wrong with a link, or null. */
function faultOf(page: string, target: string): string | null {
  if (/^https?:/.test(target)) return null;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? page : relative(ROOT, normalize(join(ROOT, dirname(page), path)));
  if (!existsSync(join(ROOT, file))) return `there is no ${file}`;
  if (anchor === undefined || !file.endsWith(".md")) return null;
  return anchorsOf(file).has(anchor) ? null : `there is no heading "#${anchor}" in ${file}`;
}

describe("links", () => {
  for (const page of PAGES) {
    it(`all of ${page} lead somewhere`, () => {
      const faults = linksOf(page).flatMap((target) => {
        const fault = faultOf(page, target);
        return fault === null ? [] : [`${target}: ${fault}`];
      });
      assert.deepEqual(faults, []);
    });
  }

  it("lead from the README to every page of docs/", () => {
    const linked = new Set(linksOf("README.md").map((target) => target.split("#")[0]));
    const lost = filesBelow("docs").filter((file) => !linked.has(file));
    assert.deepEqual(lost, []);
  });

  it("are found where they are broken", () => {
    assert.equal(faultOf("README.md", "docs/nothing.md"), "there is no docs/nothing.md");
    assert.match(String(faultOf("docs/status.md", "signals.md#nothing")), /there is no heading/);
    assert.equal(faultOf("docs/status.md", "../README.md#limits"), null);
  });
});

describe("pages", () => {
  it("name no path of the machine that they were written on", () => {
    const machine = /(?:^|[\s`(="'])\/(?:work|tmp\/(?!baton-)|root|home)\//m;
    assert.deepEqual(PAGES.filter((page) => machine.test(read(page))), []);
  });

  it("have lines that can be read in a terminal, tables and code aside", () => {
    const long = PAGES.flatMap((page) =>
      read(page).replace(FENCED, "").split("\n")
        .filter((line) => line.length > 130 && !/^[|!]|^\[|https?:/.test(line))
        .map((line) => `${page}: ${line}`)
    );
    assert.deepEqual(long, []);
  });
});

/** What stands in code spans: `this`. */
function codeSpans(page: string): string[] {
  const spans = read(page).replace(FENCED, "").matchAll(/`([^`\n]+)`/g);
  return [...spans].map(([, text = ""]) => text);
}

/** Words that `pattern` finds in `sources` and that do not stand in a code span of `page`. */
function missing(page: string, sources: readonly string[], pattern: RegExp): string[] {
  const code = new Set(codeSpans(page).flatMap((text) => text.split(/\W+/)));
  const words = sources.flatMap((file) =>
    [...read(file).matchAll(pattern)].map(([, first, second]) => first ?? second ?? "")
  );
  assert.ok(words.length > 0, `nothing found in ${sources.join(", ")}`);
  return [...new Set(words)].filter((word) => !code.has(word));
}

/**
 * Files that a section of architecture.md names and that are not there. A name is of the folders in the section's heading,
 * or of src/, and means one file: "draft.ts", "lifecycle/draft.ts".
 */
function lostFiles(page: string): string[] {
  const sources = filesBelow("src");
  return page.replace(FENCED, "").split(/^(?=#+ )/m).flatMap((section) => {
    const [heading = "", text = ""] = section.split(/\n([^]*)/);
    const rooms = [...heading.matchAll(/`(src\/\w+\/)`/g)].map(([, room = ""]) => room);
    const places = rooms.length === 0 ? ["src/"] : rooms;
    const isMeant = (file: string, name: string) =>
      file === `src/${name}` ||
      places.some((place) => file.startsWith(place)) && file.endsWith(`/${name}`);
    return [...text.matchAll(/`([\w/]+\.ts)`/g)].map(([, name = ""]) => name)
      .filter((name) => !existsSync(join(ROOT, name)))
      .filter((name) => sources.filter((file) => isMeant(file, name)).length !== 1)
      .map((name) => `${heading}: ${name}`);
  });
}

describe("what pages list is what the sources have", () => {
  it("status.md: every field of the snapshot and of a reload's report", () => {
    const sources = [
      "src/report/snapshot.ts",
      "src/report/drain_calls.ts",
      "src/front/front_view.ts",
    ];
    const fields = missing("docs/status.md", sources, /readonly (\w+)\??:/g);
    assert.deepEqual(fields, []);
  });

  it("doctor.md: every capability", () => {
    const sources = ["src/handoff/capabilities.ts", "src/cli/commands/doctor_hints.ts"];
    assert.deepEqual(missing("docs/doctor.md", sources, /\bid: "(\w+)"/g), []);
  });

  it("handoff.md: every variable that a server gets or loses", () => {
    const sources = ["src/handoff/socket_protocols.ts", "src/process/launch_plan.ts"];
    const pattern = /env\["([A-Z_]+)"\]|^ {2}"([A-Z_]+)",$/gm;
    assert.deepEqual(missing("docs/handoff.md", sources, pattern), []);
  });

  it("architecture.md: every folder of src/, and no file or function that there is not", () => {
    const page = read("docs/architecture.md");
    const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && filesBelow(`src/${entry.name}`).length > 0);
    const headings = page.split("\n").filter((line) => line.startsWith("### "));
    for (const { name } of folders) {
      assert.ok(headings.some((line) => line.includes(`\`src/${name}/\``)), name);
    }
    const spans = codeSpans("docs/architecture.md");
    const files = spans.filter((text) => /^(?:src|scripts|test|docs)\/[\w./]+$/.test(text));
    assert.deepEqual(files.filter((file) => !existsSync(join(ROOT, file))), []);
    assert.deepEqual(lostFiles(page), []);
    const sources = filesBelow("src").map(read).join("\n");
    const functions = spans.flatMap((text) => /^(?:\w+\.)?(#?\w+)\(\)$/.exec(text)?.[1] ?? []);
    assert.ok(functions.length > 15);
    assert.deepEqual(functions.filter((name) => !new RegExp(`${name}[(<]`).test(sources)), []);
  });

  it("is found where a page names a file of another room, or one of two", () => {
    const page =
      "### `src/lifecycle/`\n\n`draft.ts`, `gate.ts`, `generation/gate.ts`\n\n## All\n\n`run.ts`\n";
    assert.deepEqual(lostFiles(page), ["### `src/lifecycle/`: gate.ts", "## All: run.ts"]);
  });

  it("architecture.md: the way of a reload leads through at most 40 files, each named once", () => {
    const [, table = ""] = read("docs/architecture.md").split("## The life of a reload");
    const rows = table.split("\n1. ")[0] ?? "";
    const files = [...rows.matchAll(/`([\w/]+\.ts)`/g)].map((match) => match[1] ?? "");
    assert.ok(files.length > 20 && files.length <= 40, `${files.length} files`);
    assert.equal(new Set(files).size, files.length);
    assert.deepEqual(files.filter((file) => !existsSync(join(ROOT, "src", file))), []);
  });
});
