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
import { systemdTree } from "./test_systemd_tree.ts";

interface Suite {
  /** Checks have a command, tests a folder. */
  readonly check?: readonly string[];
  readonly folder?: string;
  /** Only these of its files: their paths contain one of the words. */
  readonly files?: readonly string[];
  /** Not these. */
  readonly except?: readonly string[];
  /** Who runs the tests. */
  readonly runner?: "bun" | "deno";
  readonly env?: Readonly<Record<string, string>>;
  /** As an ordinary user, even if we are root. */
  readonly asPlainUser?: boolean;
  /** With the systemd of a newer release in place of the machine's. */
  readonly newerSystemd?: boolean;
  /** Files at the same time: one where tests load the machine. */
  readonly parallel: number;
  /** For one test that says nothing itself (Bun only), and for one file. */
  readonly testLimitMs: number;
  readonly fileLimitMs: number;
}

const ROOT = new URL("..", import.meta.url).pathname;
const LOGS = `${ROOT}.cache/test`;
const MS_PER_MINUTE = 60_000;
const EXIT_USAGE = 64;
const EXIT_INTERRUPTED = 130;

const CHECK = { parallel: 1, testLimitMs: 0, fileLimitMs: 5 * MS_PER_MINUTE } as const;
const QUICK = { parallel: 2, testLimitMs: MS_PER_MINUTE, fileLimitMs: 5 * MS_PER_MINUTE } as const;
const ALONE = { ...QUICK, parallel: 1 } as const;
const SLOW = {
  parallel: 1,
  testLimitMs: 3 * MS_PER_MINUTE,
  fileLimitMs: 12 * MS_PER_MINUTE,
} as const;
/** Most of their time these wait, and a busy machine is one of the promises' conditions. */
const PROMISES = { ...SLOW, folder: "test/integration", runner: "bun", parallel: 4 } as const;
/** Clients that never pause, and a baton that has to be quick: no place for others. */
const ALONE_ON_MACHINE = ["keep_alive"] as const;
/** Without those of bodies. */
const KEEP_ALIVE_ON_DENO = ["keep_alive_test", "keep_alive_auto", "keep_alive_shutdown"] as const;
/** Only root can test these; what else there is on Deno is tested as an ordinary user. */
const NEED_ROOT = ["systemd", "takeover", "rolling_update"] as const;
/** What any user must get alike, of which this is a part: Deno is tested with all of it. */
const FOR_ANY_USER = [
  ...["control", "crash", "examples", "output", "queue"],
] as const;
/** Start, reload and stop in all their forms, and the store: what newer releases do otherwise. */
const ON_NEWER_SYSTEMD = ["systemd_test", "systemd_store"] as const;
/** What the runtime has a part in: memory, descriptors, processes, baton's own succession. */
const FAULTS_OF_RUNTIME = [
  ...["leaks", "pid1", "reload_storm", "fault/survive", "takeover_survive", "upgrade_test"],
] as const;
/** Hundreds of kills and reloads take their time on a busy machine. */
const FAULTS = {
  ...PROMISES,
  folder: "test/fault",
  testLimitMs: 6 * MS_PER_MINUTE,
} as const;
/** baton as the bundle under Deno, tested by the same tests. */
const ON_DENO = { BATON_UNDER_TEST: "deno" } as const;
const FEWER_ON_DENO = { ...ON_DENO, BATON_TEST_MOMENTS: "20" } as const;

const SUITES: Readonly<Record<string, Suite>> = {
  fmt: { ...CHECK, check: ["fmt", "--check", "--quiet"] },
  lint: { ...CHECK, check: ["lint", "--quiet"] },
  types: { ...CHECK, check: ["check", "--quiet", "src", "scripts", "test"] },
  imports: { ...CHECK, check: ["run", "-A", "scripts/check_imports.ts"] },
  unit: { ...QUICK, folder: "test/unit", runner: "bun" },
  "unit-deno": { ...QUICK, folder: "test/unit", runner: "deno" },
  platform: { ...ALONE, folder: "test/platform", runner: "bun" },
  "platform-deno": { ...ALONE, folder: "test/platform", runner: "deno" },
  protocol: { ...SLOW, folder: "test/protocol", runner: "bun" },
  "protocol-deno": { ...SLOW, folder: "test/protocol", runner: "bun", env: ON_DENO },
  integration: { ...PROMISES, except: ALONE_ON_MACHINE },
  "integration-deno": { ...PROMISES, env: ON_DENO, except: ALONE_ON_MACHINE },
  "keep-alive": { ...PROMISES, files: ALONE_ON_MACHINE, parallel: 1 },
  "keep-alive-deno": { ...PROMISES, files: KEEP_ALIVE_ON_DENO, parallel: 1, env: ON_DENO },
  "integration-root-deno": { ...PROMISES, env: ON_DENO, files: NEED_ROOT },
  "integration-user": { ...PROMISES, asPlainUser: true, files: FOR_ANY_USER },
  "integration-user-deno": {
    ...{ ...PROMISES, env: ON_DENO, asPlainUser: true, except: ALONE_ON_MACHINE },
  },
  "systemd-next": { ...PROMISES, newerSystemd: true, files: ON_NEWER_SYSTEMD },
  "systemd-next-all": { ...PROMISES, newerSystemd: true, files: ["systemd"] },
  "systemd-next-all-deno": { ...PROMISES, newerSystemd: true, files: ["systemd"], env: ON_DENO },
  system: { ...SLOW, folder: "test/system", runner: "bun", parallel: 2 },
  long: { ...SLOW, folder: "test/long", runner: "bun", fileLimitMs: 60 * MS_PER_MINUTE },
  "long-deno": {
    ...{ ...SLOW, folder: "test/long", runner: "bun", fileLimitMs: 60 * MS_PER_MINUTE },
    env: ON_DENO,
  },
  fault: { ...FAULTS, except: ALONE_ON_MACHINE },
  "fault-keep-alive": { ...FAULTS, files: ALONE_ON_MACHINE, parallel: 1 },
  "fault-deno": { ...FAULTS, env: FEWER_ON_DENO, files: FAULTS_OF_RUNTIME },
  "fault-deno-all": { ...FAULTS, env: FEWER_ON_DENO },
};

const CHECKS = ["fmt", "lint", "types", "imports"] as const;
/** Several suites under one name. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  checks: CHECKS,
  all: [
    ...[...CHECKS, "unit", "unit-deno", "platform", "platform-deno", "protocol", "protocol-deno"],
    ...["integration", "integration-root-deno", "integration-user", "integration-user-deno"],
    ...["keep-alive", "keep-alive-deno"],
  ],
};

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
  const isQuick = suite.testLimitMs <= QUICK.testLimitMs && suite.parallel > 1;
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
  const files = await testFiles(suite.folder ?? "");
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
