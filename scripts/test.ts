/**
 * Runs suites of checks and tests, and sums them up: the last line is exactly
 * `N passed, N failed, N skipped`, and the status is 1 if anything failed.
 *
 *   deno run -A scripts/test.ts [--file TEXT] [--minutes N] [--tally FILE] SUITE...
 *
 * SUITE is one of `SUITES`, or of `GROUPS`: `all` is everything but the slow ones.
 * `--file` keeps the test files whose path contains TEXT. `--minutes` goes round after round until
 * the time is up (a soak). `--tally` adds the three numbers to FILE as a line instead of printing the
 * last line, for whoever sums up several runs. Nothing is ever tried a second time.
 */
import { parseArgs } from "node:util";
import { Terminal } from "./terminal.ts";
import { Report } from "./test_report.ts";
import { type Job, killRunning, run } from "./test_run.ts";
import {
  cannotChangeUser,
  DenoForAll,
  type Place,
  PlainUserPlace,
  removeFolders,
} from "./test_user.ts";
import { GROUPS, longestFirst, QUICK_TEST_MS, SUITES } from "./test_suites.ts";
import type { Suite } from "./test_suites.ts";
import { systemdTree } from "./test_systemd_tree.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const LOGS = `${ROOT}.cache/test`;
const MS_PER_MINUTE = 60_000;
const EXIT_USAGE = 64;
const EXIT_INTERRUPTED = 130;

interface Options {
  readonly suites: readonly string[];
  readonly file: string;
  readonly minutes: number;
  readonly tally: string | null;
}

const terminal = new Terminal();

function parse(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      file: { type: "string" },
      minutes: { type: "string" },
      tally: { type: "string" },
    },
  });
  const suites = positionals.flatMap((name) => GROUPS[name] ?? [name]);
  const unknown = suites.find((name) => SUITES[name] === undefined);
  if (unknown !== undefined || suites.length === 0) {
    const what = unknown === undefined ? "No suite is named" : `Cannot find suite "${unknown}"`;
    const names = [...Object.keys(SUITES), ...Object.keys(GROUPS)];
    throw new TypeError(`${what}: there are ${names.join(" ")}`);
  }
  const minutes = Number(values.minutes ?? 0);
  if (!(minutes >= 0)) throw new TypeError(`Cannot run for "${values.minutes}" minutes`);
  return { suites, file: values.file ?? "", minutes, tally: values.tally ?? null };
}

async function main(options: Options, report: Report): Promise<number> {
  await Deno.mkdir(LOGS, { recursive: true });
  const deadline = options.minutes > 0 ? performance.now() + options.minutes * MS_PER_MINUTE : null;
  const isOver = () => deadline !== null && performance.now() >= deadline;
  await using deno = await DenoForAll.create();
  let files = 0;
  let round = 0;
  do {
    if (deadline !== null) terminal.line(`round ${++round}`);
    for (const name of options.suites) {
      if (!isOver()) files += await runSuite(name, { ...options, deno: deno.path }, report, isOver);
    }
  } while (deadline !== null && !isOver());
  if (files === 0) report.trouble("all", `no test file has "${options.file}" in its path`);
  return await report.conclude(options.tally);
}

/** @returns the number of files, or checks, that it ran */
async function runSuite(
  name: string,
  options: { readonly file: string; readonly deno: string },
  report: Report,
  isOver: () => boolean,
): Promise<number> {
  const suite = SUITES[name];
  if (suite === undefined) return 0;
  const newer = suite.newerSystemd ? await systemdTree(ROOT) : { env: {}, refusal: null };
  const refusal = suite.asPlainUser ? await cannotChangeUser() : newer.refusal;
  if (refusal !== null) {
    report.skip(name, refusal);
    return 0;
  }
  await using user = suite.asPlainUser ? await PlainUserPlace.create(ROOT) : null;
  const place = user ?? { root: ROOT, prefix: [], env: {} };
  const env = { DENO: options.deno, ...suite.env, ...newer.env, ...place.env };
  const jobs = await jobsOf(name, suite, options.file, { ...place, env });
  const startedAt = performance.now();
  const isQuick = suite.testLimitMs <= QUICK_TEST_MS && suite.parallel > 1;
  const queue = [...jobs];
  const current = new Set<string>();
  let done = 0;
  const show = () => terminal.status(`${name} ${done}/${jobs.length}  ${[...current].join("  ")}`);
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined && !isOver(); job = queue.shift()) {
      current.add(job.title);
      show();
      const outcome = await run(job);
      current.delete(job.title);
      done++;
      report.add(name, outcome, isQuick);
      show();
    }
  };
  await Promise.all(Array.from({ length: suite.parallel }, worker));
  terminal.status("");
  if (jobs.length === 0 && options.file === "") {
    report.trouble(name, `no test is in ${suite.folder}`);
  }
  report.endSuite(name, performance.now() - startedAt, isQuick && jobs.length > 0);
  return done;
}

async function jobsOf(name: string, suite: Suite, only: string, place: Place): Promise<Job[]> {
  const common = { env: place.env, cwd: place.root, limitMs: suite.fileLimitMs };
  if (suite.check !== undefined) {
    const command = [Deno.execPath(), ...suite.check];
    return [{ ...common, title: name, command, junit: null, log: `${LOGS}/${name}.log` }];
  }
  const files = longestFirst(await testFiles(suite.folder ?? ""));
  const isWanted = (file: string) =>
    (suite.files?.some((word) => file.includes(word)) ?? true) &&
    !suite.except?.some((word) => file.includes(word));
  return files.filter((file) => file.includes(only) && isWanted(file)).map((file) => {
    const log = `${LOGS}/${name}--${file.replace(/^test\/\w+\//, "").replaceAll("/", "--")}.log`;
    const junit = `${log}.xml`.replace(ROOT, place.root);
    const command = suite.runner === "deno"
      ? [Deno.execPath(), "test", "-A", "--no-check", `--junit-path=${junit}`, file]
      : [
        ...place.prefix,
        ...[
          `${place.root}node_modules/.bin/bun`,
          "test",
          `--timeout=${suite.testLimitMs}`,
          "--preload=./scripts/test_preload.ts",
        ],
        ...["--reporter=junit", `--reporter-outfile=${junit}`, `./${file}`],
      ];
    return { ...common, title: file, command, junit, log };
  });
}

/** All of `*_test.ts` below the folder, in order. */
async function testFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
      if (isDirectory) found.push(...await testFiles(`${folder}/${name}`));
      else if (name.endsWith("_test.ts")) found.push(`${folder}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

/** Ends what runs, and still says what came of the rest. */
async function interrupt(options: Options, report: Report): Promise<never> {
  terminal.status("");
  killRunning();
  await removeFolders();
  report.trouble("all", "was interrupted");
  await report.conclude(options.tally);
  Deno.exit(EXIT_INTERRUPTED);
}

if (import.meta.main) {
  let options: Options;
  try {
    options = parse(Deno.args);
  } catch (error) {
    terminal.line(error instanceof Error ? error.message : String(error));
    Deno.exit(EXIT_USAGE);
  }
  const report = new Report(terminal, ROOT);
  let interruption: Promise<never> | null = null;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => interruption ??= interrupt(options, report));
  }
  const status = await main(options, report);
  await interruption;
  Deno.exit(status);
}
