/**
 * Runs baton in real containers, and prints what was seen as tables of Markdown. The status is 1 when a row is not as
 * it must be: a reload that fails, a request that is lost, something that is left behind.
 *
 *   bun test/containers/main.ts [--file TEXT] [--write-docs]
 *
 * `make test-containers` and `make container-docs` call it. Needs root, runc, nsenter and ip; Go for the profiles of
 * Docker and containerd. --file keeps the rows with that in their name; --write-docs puts the tables into the page.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { parseCommandLine } from "../../src/cli/words/parse.ts";
import { composeFile } from "../../src/init/compose.ts";
import { runCommand } from "../support/baton.ts";
import { DockerEngine, noEngine } from "../support/containers/docker_engine.ts";
import { noProfile } from "../support/containers/engines.ts";
import { CONTAINER_NAMES, noContainers } from "../support/containers/runc.ts";
import {
  doctorIn,
  type Outcome,
  type Place,
  releasesUnderLoad,
  reloadsUnderLoad,
} from "../support/containers/runs.ts";
import { REPOSITORY } from "../support/programs.ts";
import { type Cell, renderTable, withTables } from "./render.ts";
import { ENGINES, missing, RELEASE_PLACES, SERVERS, SITUATIONS } from "./table.ts";

const { values } = parseArgs({
  options: {
    file: { type: "string", default: "" },
    "write-docs": { type: "boolean", default: false },
  },
});
const PAGE = join(REPOSITORY, "docs", "containers.md");
const QUICK_RELOADS = 3;
const RELOADS = 10;
const RELEASES = 3;
/** Time limit of everything, which takes eight minutes on two busy cores. */
const BUDGET_MS = 30 * 60_000;
const count = { passed: 0, failed: 0, skipped: 0 };

setTimeout(() => {
  print(
    `It took longer than ${BUDGET_MS} ms: containers whose names begin with ${CONTAINER_NAMES} may be left`,
  );
  process.exit(1);
}, BUDGET_MS).unref();

const reason = noContainers();
if (reason !== false) {
  print(`0 passed, 0 failed, 1 skipped: ${reason}`);
  process.exit(1);
}
const engines = ENGINES.filter((engine) => {
  const why = noProfile(engine);
  if (why !== false) print(`${engine} | skipped: ${why}`);
  if (why !== false) count.skipped++;
  return why === false;
});

const places = await engineTable();
const servers = await serverTable();
const releases = await releaseTable();
const left = leftBehind();
if (left.length > 0) {
  count.failed++;
  print(`left behind: ${left.join(", ")}`);
}
const text = [await heading(), places, servers, releases].join("\n\n");
print(text);
if (values["write-docs"]) {
  if (values.file !== "" || count.failed > 0) throw new Error("Cannot write: not all of it passed");
  writeFileSync(PAGE, withTables(readFileSync(PAGE, "utf8"), text));
}
print(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed === 0 && count.passed > 0 ? 0 : 1);

async function heading(): Promise<string> {
  const { stdout } = await runCommand(["runc", "--version"]);
  const runc = /runc version (\S+)/.exec(stdout)?.[1] ?? "?";
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, runc ${runc}, Linux ${release()}, ${process.arch}. Requests answered / lost:`;
}

function isWanted(name: string): boolean {
  return name.toLowerCase().includes(values.file.toLowerCase());
}

/** Runs one cell; what is wrong with it is counted and printed, and stands in the table. */
async function cell(
  row: string,
  column: string,
  see: () => Promise<string>,
): Promise<Cell[]> {
  if (!isWanted(`${column}: ${row}`)) return [];
  const startedAt = performance.now();
  try {
    const text = await see();
    count.passed++;
    print(`${column} | ${row} | ${text} | ${Math.round(performance.now() - startedAt)} ms`);
    return [{ row, column, text }];
  } catch (error) {
    count.failed++;
    print(`${column} | ${row} | FAILED: ${error instanceof Error ? error.message : error}`);
    return [{ row, column, text: "FAILED" }];
  }
}

function counted({ adopt, ok, lost }: Outcome): string {
  return adopt === "yes" ? `${ok} / ${lost}` : adopt;
}

/** What doctor says must be what happens. */
async function checked(place: Place, outcome: Outcome): Promise<string> {
  const { adopt } = await doctorIn(place);
  if (adopt !== (outcome.adopt === "yes")) {
    throw new Error(`doctor says adopt ${adopt}, but the run: ${outcome.adopt}`);
  }
  return counted(outcome);
}

async function engineTable(): Promise<string> {
  const cells: Cell[] = [];
  for (const { name, situation } of SITUATIONS) {
    for (const engine of engines) {
      const place = { engine, situation };
      const run = { ...place, server: "node", reloads: QUICK_RELOADS } as const;
      cells.push(
        ...await cell(name, engine, async () => checked(place, await reloadsUnderLoad(run))),
      );
    }
  }
  return renderTable(`Node, ${QUICK_RELOADS} reloads`, cells);
}

async function serverTable(): Promise<string> {
  const cells: Cell[] = [];
  if (!engines.includes("docker")) return "";
  for (const server of SERVERS) {
    const why = missing(server);
    if (why !== null) {
      count.skipped++;
      print(`${server.name} | skipped: ${why}`);
      continue;
    }
    for (const { name, situation } of SITUATIONS.slice(0, server.onlyRoot ? 1 : 2)) {
      const { id, front = [] } = server;
      const run = { engine: "docker", situation, server: id, front, reloads: RELOADS } as const;
      cells.push(
        ...await cell(server.name, name, async () => counted(await reloadsUnderLoad(run))),
      );
    }
  }
  return renderTable(`Docker's profile, ${RELOADS} reloads`, cells);
}

async function releaseTable(): Promise<string> {
  const cells: Cell[] = [];
  const column = "takeover from container to container";
  const flags = (socket: string) => [`--takeover=${socket}`, `--handoff-socket=${socket}`];
  for (const place of RELEASE_PLACES.filter(({ engine }) => engines.includes(engine))) {
    const story = { ...place, server: "node", releases: RELEASES, flags } as const;
    const see = async () => counted(await releasesUnderLoad(story));
    cells.push(...await cell(place.name, column, see));
  }
  const reason = noEngine();
  if (reason === false && isWanted(`${column}: Docker Compose`)) {
    await using engine = await DockerEngine.start();
    const see = async () => counted(await engine.playReleases(printedCompose(), RELEASES));
    cells.push(...await cell(`Docker Compose: ${await engine.version()}, root, Go`, column, see));
  } else if (reason !== false) {
    count.skipped++;
    print(`Docker Compose | skipped: ${reason}`);
  }
  return renderTable(`${RELEASES} releases, and as many that are not healthy`, cells);
}

/** By `baton init compose`. */
function printedCompose(): string {
  const words = ["init", "compose", "--name", "web", "--", "/srv/server"];
  const asked = parseCommandLine(words, () => {
    throw new Error("Cannot read a file: none is named");
  });
  if (asked.verb !== "init") throw new Error(`Cannot print: ${asked.verb}`);
  const { config, options } = asked;
  return composeFile({ baton: [], config, options, directory: "/" });
}

/** Control groups and mounts of ours. */
function leftBehind(): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [
    ...mounts.filter((line) => line.includes(CONTAINER_NAMES)),
    ...controlGroups("/sys/fs/cgroup", 2),
  ];
}

function controlGroups(folder: string, depth: number): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).filter((each) => each.isDirectory());
  return entries.flatMap(({ name }) => {
    const path = join(folder, name);
    if (name.startsWith(CONTAINER_NAMES)) return [path];
    return depth > 1 ? controlGroups(path, depth - 1) : [];
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
