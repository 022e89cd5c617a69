/**
 * Runs the rows of the compatibility table, one after the other, and prints what became of each:
 * `name version | verdict | lost 0 of N | slowest ms | pid file | note`. The status is 1 when a row is not as expected.
 *
 *   bun test/servers/main.ts [--file TEXT] [--install] [--baton PATH] [--bare-pidfiles]
 *     [--flag FLAG]...
 *   bun test/servers/main.ts --write-docs
 *
 * `make test-servers` and `make server-docs` call it.
 *
 * --file keeps the rows with that in their name or section. A server that is not installed is skipped, and --install
 * installs it: Debian's as root, with apt-get; those of npm and PyPI in .cache/servers. --baton tries another build,
 * and --bare-pidfiles what becomes of the servers' own pid files without --server-pidfile. --flag adds one of `baton run`:
 * `--flag=--duplicates=socket-trap`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runCommand, useBinary } from "../support/baton.ts";
import { REPOSITORY } from "../support/programs.ts";
import { findProgram, install, missing } from "./install.ts";
import { faultsOf } from "./judge.ts";
import type { ServerRow } from "./row.ts";
import { withTables } from "./render.ts";
import { run, type Seen } from "./run.ts";
import { SECTIONS } from "./table.ts";

const { values } = parseArgs({
  options: {
    file: { type: "string", default: "" },
    install: { type: "boolean", default: false },
    baton: { type: "string" },
    "bare-pidfiles": { type: "boolean", default: false },
    flag: { type: "string", multiple: true, default: [] },
    "write-docs": { type: "boolean", default: false },
  },
});
const PAGE = join(REPOSITORY, "docs", "servers.md");
if (values["write-docs"]) {
  writeFileSync(PAGE, withTables(readFileSync(PAGE, "utf8"), SECTIONS));
  process.exit(0);
}
if (values.baton !== undefined) useBinary(values.baton);

const rows = SECTIONS.flatMap(({ title, rows }) =>
  rows.filter(({ name }) => `${title}: ${name}`.toLowerCase().includes(values.file.toLowerCase()))
);
const count = { passed: 0, failed: 0, skipped: 0 };

for (const row of rows) {
  if (values.install && missing(row) !== null) await tryToInstall(row);
  const reason = missing(row);
  if (reason !== null) {
    count.skipped++;
    print(`${row.name} | skipped: ${reason}`);
    continue;
  }
  if (await isAsExpected(row)) count.passed++;
  else count.failed++;
}
print(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed === 0 && count.passed > 0 ? 0 : 1);

async function isAsExpected(row: ServerRow): Promise<boolean> {
  const version = await versionOf(row);
  const runs = row.tweak === undefined ? [false] : [false, true];
  const faults: string[] = [];
  for (const isTweaked of runs) {
    const what = `${row.name} ${version}${isTweaked ? ", tweaked" : ""}`;
    try {
      const keepsPidFile = !values["bare-pidfiles"];
      const options = { isTweaked, keepsPidFile, flags: values.flag };
      const seen = await run(row, options);
      const found = faultsOf(row, seen, options);
      faults.push(...found);
      print([what, verdictOf(row, isTweaked), ...columns(seen), ...found].join(" | "));
    } catch (error) {
      faults.push(String(error));
      print(`${what} | ${String(error)}`);
    }
  }
  return faults.length === 0;
}

function verdictOf({ verdict }: ServerRow, isTweaked: boolean): string {
  if (isTweaked) return "works";
  return verdict === "needs" ? "refused" : verdict;
}

function columns(seen: Seen): string[] {
  const reloads = seen.reloads.map(({ durationMs }) => durationMs).join(" ");
  return [
    `lost ${seen.lost} of ${seen.ok + seen.lost}`,
    `slowest ${seen.slowestMs} ms`,
    `pid file ${seen.pidFile}`,
    `reloads ${reloads} ms, stop ${seen.stopMs} ms`,
  ];
}

async function tryToInstall(row: ServerRow): Promise<void> {
  try {
    await install(row);
  } catch (error) {
    print(String(error));
  }
}

/** The first number of what its own command prints. */
async function versionOf(row: ServerRow): Promise<string> {
  const [program = "", ...words] = row.version;
  const path = findProgram(row, program);
  if (path === null) return "?";
  const { stdout, stderr } = await runCommand([path, ...words]);
  return /\d+(?:\.\d+)*\w*/.exec((stdout + stderr).replace(/^.*?(?=\d+\.)/s, ""))?.[0] ?? "?";
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
