/**
 * Runs suites of checks and tests, and sums them up: the last line is exactly
 * `N passed, N failed, N skipped`, and the status is 1 if anything failed.
 *
 *   deno run -A scripts/test.ts [--file TEXT] [--minutes N] [--tally FILE] SUITE...
 *
 * SUITE is one of `SUITES`, or of `GROUPS`: `gate` is what `make test` runs, `all` everything there is.
 * `--file` keeps the test files whose path contains TEXT. `--minutes` goes round after round until
 * the time is up (a soak). `--tally` adds the three numbers to FILE as a line instead of printing the
 * last line, for a caller that sums up several runs. A test file that fails is run once more, alone: if it passes then
 * it counts as passed and is listed as flaky. A soak tries nothing a second time.
 */
import { parseArgs } from "node:util";
import { Terminal } from "./terminal.ts";
import { LOGS, Pool, poolsOf } from "./test_pool.ts";
import { Report } from "./test_report.ts";
import { killRunning } from "./test_run.ts";
import { GROUPS, SUITES } from "./test_suites.ts";
import { DenoForAll, removeFolders } from "./test_user.ts";

const ROOT = new URL("..", import.meta.url).pathname;
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
let isInterrupted = false;

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
  const isOver = () => isInterrupted || (deadline !== null && performance.now() >= deadline);
  await using deno = await DenoForAll.create();
  let files = 0;
  let round = 0;
  do {
    if (deadline !== null) terminal.line(`round ${++round}`);
    for (const names of poolsOf(options.suites)) {
      if (isOver()) break;
      const retries = deadline === null;
      await using pool = new Pool({
        ...options,
        deno: deno.path,
        report,
        terminal,
        isOver,
        retries,
        isFull: Deno.env.get("BATON_TEST_FULL") === "1",
      });
      files += await pool.run(names);
    }
  } while (deadline !== null && !isOver());
  if (files === 0) report.trouble("all", `no test file has "${options.file}" in its path`);
  return await report.conclude(options.tally);
}

/** Ends what runs, and still says what came of the rest. */
async function interrupt(options: Options, report: Report): Promise<never> {
  isInterrupted = true;
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
