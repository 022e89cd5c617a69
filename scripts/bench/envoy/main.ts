/**
 * `make bench-envoy`: Envoy under hot-restarter.py and under `baton hot-restarter --safe`, side by side: the same start script,
 * the same clients, at the same time. Envoys are installed into .cache; in namespaces of its own where root allows that.
 * Loopback only, bounded in load and time, and nothing stays. The figures also go to dist/bench-envoy.json.
 *
 *   deno run -A scripts/bench/envoy/main.ts [--quick] [--only WORD,...] [--write-docs]
 *
 * Then services behind a front (front/): Node, Go and Python servers, and gRPC, reloaded while Envoy is.
 *
 * `--quick`: one version of Envoy. `--only` keeps the rows with one of these words in their name ("front: Go"). `--write-docs` fills in
 * docs/envoy.md. Ends with 1 if baton has left something behind, or lost a request. What the original leaves is removed.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ENVOY_VERSIONS, envoyProgram } from "../../../test/support/envoy.ts";
import { REPOSITORY, which } from "../../../test/support/programs.ts";
import { columnsOf, seconds, Terminal } from "../../terminal.ts";
import { commitText, machineText } from "../machine.ts";
import { type Choice, EXIT_INTERRUPTED, EXIT_USAGE, parseChoice, runBench } from "../run.ts";
import { measureRow } from "./measure.ts";
import { measureCost } from "./front/cost.ts";
import { APPS, type FrontOutcome, type FrontPlan, measureFront } from "./front/measure.ts";
import { costLines, frontLost, frontTable, isBadFront } from "./front/result.ts";
import { type EnvoyRun, fillPage, lossLines, lostOf, type Outcome, resultTable } from "./result.ts";
import { type Row, ROWS } from "./rows.ts";
import { SIDES } from "./side.ts";

const OUTPUT = join(REPOSITORY, "dist", "bench-envoy.json");
const PAGE = join(REPOSITORY, "docs", "envoy.md");
const FRONT_PLAN: FrontPlan = { alone: 5, withEnvoy: 5, envoyReloads: 4 };
/** Set inside the namespaces. */
const INSIDE = "BATON_BENCH_ENVOY_INSIDE";
const ENTER = 'mount -t tmpfs tmpfs /dev/shm && ip link set lo up && exec "$@"';

const terminal = new Terminal();

async function main(argv: readonly string[]): Promise<number> {
  const choice = parseChoice(argv);
  if (choice === null) {
    terminal.line("--write-docs needs all rows and versions: leave out --only and --quick");
    return EXIT_USAGE;
  }
  const { programs, skipped } = install();
  if (process.env[INSIDE] === undefined && mayEnter()) return enter(argv);
  const startedAt = performance.now();
  const load = Deno.loadavg()[0] ?? NaN;
  const machine = machineText();
  terminal.line(`${machine}, load ${load.toFixed(1)}`);
  const rows = ROWS.filter(({ name }) => choice.isChosen(name));
  const outcomes: Outcome[] = [];
  for (const [row, version] of plan(rows, [...programs.keys()], choice.isQuick)) {
    outcomes.push(...await measureOne(row, version, Object.fromEntries(programs)));
  }
  const envoy = programs.get(ENVOY_VERSIONS[0]);
  const { fronts, cost } = envoy === undefined
    ? { fronts: [], cost: null }
    : await measureFronts(envoy, choice);
  const date = new Date().toISOString().slice(0, 10);
  const commit = commitText();
  const run: EnvoyRun = { date, machine, load, commit, outcomes, fronts, cost, skipped };
  show(run);
  terminal.line(`\nin ${seconds(performance.now() - startedAt)}`);
  writeFileSync(OUTPUT, `${JSON.stringify(run, null, 2)}\n`);
  if (choice.writesDocs) writeFileSync(PAGE, fillPage(readFileSync(PAGE, "utf8"), run));
  const isBad = outcomes.some((each) =>
    each.side !== SIDES[0] && (each.leftovers.length > 0 || lostOf(each) > 0)
  );
  return isBad || fronts.some(isBadFront) ? 1 : 0;
}

/** @returns those that could be had, by version, and why not the others */
function install(): { programs: Map<string, string>; skipped: string[] } {
  const programs = new Map<string, string>();
  const skipped: string[] = [];
  for (const version of ENVOY_VERSIONS) {
    terminal.status(`installing Envoy ${version}`);
    const { path, skip } = envoyProgram(version);
    terminal.status("");
    if (path === null) skipped.push(`Envoy ${version}: ${skip}`);
    else programs.set(version, path);
  }
  return { programs, skipped };
}

async function measureFronts(
  envoy: string,
  { isChosen }: Choice,
): Promise<Pick<EnvoyRun, "fronts" | "cost">> {
  const fronts: FrontOutcome[] = [];
  for (const app of APPS.filter(({ name }) => isChosen(`front: ${name}`))) {
    const outcome = await measureFront(app, envoy, FRONT_PLAN, (text) => {
      terminal.status(`front: ${app.name}: ${text}`);
    });
    terminal.status("");
    terminal.line(`front: ${app.name}: ${frontLost(outcome)} lost, ${outcome.ended} ended`);
    fronts.push(outcome);
  }
  const cost = isChosen("front: cost")
    ? await measureCost(APPS[0]!, envoy, (text) => terminal.status(`front: cost: ${text}`))
    : null;
  terminal.status("");
  return { fronts, cost };
}

function plan(
  rows: readonly Row[],
  versions: readonly string[],
  isQuick: boolean,
): (readonly [Row, string])[] {
  const used = isQuick ? versions.slice(0, 1) : versions;
  return rows.flatMap((row) => {
    // This row begins with the older version, and needs both.
    if (row.once) return versions.length < 2 ? [] : [[row, versions.at(-1)!] as const];
    return used.map((version) => [row, version] as const);
  });
}

async function measureOne(
  row: Row,
  version: string,
  programs: Readonly<Record<string, string>>,
): Promise<readonly Outcome[]> {
  const status = (text: string) => terminal.status(`${row.name}, ${version}: ${text}`);
  const outcomes = await measureRow(row, version, programs, status);
  terminal.status("");
  const sums = outcomes.map((each) => `${each.side} ${lostOf(each)} lost`);
  terminal.line(`${row.name}, ${version}: ${sums.join(", ")}`);
  return outcomes;
}

function show({ outcomes, fronts, cost, skipped }: EnvoyRun): void {
  for (const rows of [resultTable(outcomes), frontTable(fronts)]) {
    terminal.line();
    for (const line of rows.length < 2 ? [] : columnsOf(rows)) terminal.line(line);
  }
  for (const line of cost === null ? [] : costLines(cost)) terminal.line(line);
  for (const { app, lanes, failures } of fronts) {
    for (const each of [...failures, ...lanes.flatMap(({ errors }) => errors)]) {
      terminal.line(`front: ${app}: ${each}`);
    }
  }
  for (const line of SIDES.slice(1).flatMap((side) => lossLines(outcomes, side))) {
    terminal.line(`LOST by baton: ${line}`);
  }
  for (const { row, side, leftovers } of outcomes) {
    for (const each of leftovers) terminal.line(`${row}: ${side}: LEFT BEHIND: ${each}`);
  }
  for (const reason of skipped) terminal.line(`left out: ${reason}`);
}

/** Abstract names, ports and /dev/shm are of nothing but this run then. */
function mayEnter(): boolean {
  if (which("unshare") === null || which("ip") === null) return false;
  return spawnSync("unshare", ["-m", "-n", "sh", "-c", ENTER, "sh", "true"]).status === 0;
}

function enter(argv: readonly string[]): number {
  const again = [Deno.execPath(), "run", "--quiet", "--allow-all", import.meta.filename!, ...argv];
  const { status } = spawnSync("unshare", ["-m", "-n", "sh", "-c", ENTER, "sh", ...again], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  });
  return status ?? EXIT_INTERRUPTED;
}

await runBench(terminal, main);
