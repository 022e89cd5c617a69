/**
 * Measures what baton costs, beside the previous build (`previous.json`) and the targets of `rows.ts`: start-up, reloads,
 * drains, kept connections, an idle supervisor, and throughput wrapped against bare. All on loopback, bounded in time,
 * with servers of test/support that are unmodified. The figures also go to dist/bench.json.
 *
 *   deno run -A scripts/bench/main.ts [--quick] [--only SECTION,...] [--beside BINARY] [--keep [--commit NAME]]
 *
 * `--beside` measures another build too, in the same run, for the sections that say something about a build. `--keep`
 * writes `previous.json`: the figures of the build beside, or of this one.
 */
import { parseArgs } from "node:util";
import { useBinary } from "../../test/support/baton.ts";
import { server } from "../../test/support/servers.ts";
import { columnsOf, Terminal } from "../terminal.ts";
import { comparisonTable, verdict } from "./comparison.ts";
import { commitText, machineText } from "./machine.ts";
import { keep, readPrevious } from "./previous.ts";
import { EXIT_USAGE, runBench } from "./run.ts";
import type { Bench, BenchPlan, Figures, Section } from "./section.ts";
import { SECTIONS } from "./sections.ts";

const OUTPUT = new URL("../../dist/bench.json", import.meta.url).pathname;

const FULL: BenchPlan = {
  rounds: 25,
  seconds: 1,
  runs: 20,
  idleAfterMs: 60_000,
  idleForMs: 10_000,
};
const QUICK: BenchPlan = {
  rounds: 5,
  seconds: 1,
  runs: 10,
  idleAfterMs: 5_000,
  idleForMs: 5_000,
};

const terminal = new Terminal();
const skipped: string[] = [];

interface Results {
  readonly own: Figures;
  readonly beside: Figures;
  readonly details: Record<string, unknown>;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean" },
      only: { type: "string" },
      beside: { type: "string" },
      keep: { type: "boolean" },
      commit: { type: "string" },
    },
  });
  const wanted = values.only?.split(",") ?? SECTIONS.map(({ name }) => name);
  const unknown = wanted.filter((name) => !SECTIONS.some((section) => section.name === name));
  if (unknown.length > 0) {
    const known = SECTIONS.map(({ name }) => name).join(", ");
    terminal.line(`There is no section ${unknown.join(", ")}: there are ${known}`);
    return EXIT_USAGE;
  }
  const previous = readPrevious();
  const machine = machineText();
  terminal.line(`${machine}, load ${Deno.loadavg()[0]}`);
  const plan = values.quick ? QUICK : FULL;
  const chosen = SECTIONS.filter(({ name }) => wanted.includes(name));
  const { own, beside, details } = await measureAll(chosen, plan, values.beside);
  show(comparisonTable({ previous, beside: values.beside === undefined ? null : beside, own }));
  terminal.line(verdict(own));
  const at = new Date().toISOString();
  const result = { at, plan, machine, figures: own, details, skipped };
  await Deno.writeTextFile(OUTPUT, `${JSON.stringify(result, null, 2)}\n`);
  if (values.keep) {
    const commit = values.commit ?? commitOf(values.beside);
    const figures = values.beside === undefined ? own : beside;
    keep({ commit, date: at.slice(0, 10), machine, figures });
  }
  for (const reason of skipped) terminal.line(`skipped: ${reason}`);
  return 0;
}

/** Measures both builds of each section in turn, so that other load on the machine affects them alike. */
async function measureAll(
  sections: readonly Section[],
  plan: BenchPlan,
  binary: string | undefined,
): Promise<Results> {
  const results: Results = { own: {}, beside: {}, details: {} };
  const bench: Bench = {
    plan,
    status: (text) => terminal.status(text),
    table: show,
    available,
    skip,
  };
  for (const section of sections) {
    const comparesBuilds = binary !== undefined && section.isOfBuild;
    if (comparesBuilds) terminal.line("\nthis build:");
    const measured = await section.measure(bench);
    Object.assign(results.own, measured?.figures);
    results.details[section.name] = measured?.details ?? null;
    if (!comparesBuilds) continue;
    const before = useBinary(binary);
    try {
      terminal.line(`\n${binary}:`);
      const other = await section.measure(bench);
      Object.assign(results.beside, other?.figures);
      results.details[`${section.name}, beside`] = other?.details ?? null;
    } finally {
      useBinary(before);
    }
  }
  return results;
}

/** "baton-e97f436" is a build of e97f436; this build is the work tree's. */
function commitOf(binary: string | undefined): string {
  const named = binary === undefined ? null : /-([0-9a-f]{7,40})$/.exec(binary)?.[1];
  if (named !== null && named !== undefined) return named;
  return commitText();
}

function available(id: Parameters<typeof server>[0]): boolean {
  const reason = server(id).needs();
  if (reason !== null) skip(`${id}: ${reason}`);
  return reason === null;
}

function skip(reason: string): void {
  if (!skipped.includes(reason)) skipped.push(reason);
}

function show(rows: readonly (readonly string[])[]): void {
  terminal.status("");
  terminal.line();
  for (const line of columnsOf(rows)) terminal.line(line);
}

await runBench(terminal, main);
