/**
 * What the test runner prints: a line for each file, all the output of what failed, and at the end
 * a table, the reasons of what was skipped, and the closing line `N passed, N failed, N skipped`.
 */
import { columnsOf, seconds, type Terminal } from "./terminal.ts";
import type { TestResult } from "./test_junit.ts";
import { lastName, type Outcome } from "./test_run.ts";

/** Characters of one file's output that are shown, the last ones. */
const MAX_SHOWN_OUTPUT_LENGTH = 20_000;

const MAX_FIGURE_LENGTH = 140;
const MAX_FLAKY_LENGTH = 400;

/** The first line of a test's output that looks like the message of a failure. */
const FIRST_MESSAGE =
  /^\s*(?:error: .*|\w*Error: .*|.*(?:left process \d|took longer than|ended without a report).*)$/m;

interface Noted extends TestResult {
  readonly suite: string;
  /** Why it was skipped, or where more is written about its failure. */
  readonly detail: string | null;
}

class Counts {
  passed = 0;
  failed = 0;
  skipped = 0;
  durationMs = 0;

  constructor(results: readonly TestResult[] = []) {
    this.add(results);
  }

  add(results: readonly TestResult[]): void {
    for (const { status } of results) this[status]++;
  }

  /** "12 passed, 1 failed" */
  toString(): string {
    return [[this.passed, "passed"], [this.failed, "failed"], [this.skipped, "skipped"]]
      .filter(([count]) => count !== 0).map((pair) => pair.join(" ")).join(", ") || "no test";
  }
}

export class Report {
  readonly #suites = new Map<string, Counts>();
  readonly #noted: Noted[] = [];
  readonly #flaky: { readonly suite: string; readonly file: string; readonly why: string }[] = [];
  /** Deno forgets why, but what it skips was skipped on Bun before it, for the same reason. */
  readonly #reasons = new Map<string, string>();

  constructor(readonly terminal: Terminal, readonly root: string) {}

  /** @param isQuick say something only if it failed */
  add(
    suite: string,
    { job, results, reasons, output, durationMs }: Outcome,
    isQuick: boolean,
  ): void {
    for (const [name, reason] of reasons) this.#reasons.set(name, reason);
    this.#note(suite, results, job.log.replace(this.root, ""));
    const counts = new Counts(results);
    if (counts.failed === 0 && isQuick) return;
    const isCheck = job.junit === null;
    const what = isCheck ? suite : `${suite}: ${job.title}: ${counts}`;
    this.#line(counts, `${what}, ${seconds(durationMs)}`);
    if (counts.failed === 0) return this.#figures(output);
    this.#output(output);
  }

  /** Adds a test that failed, and passed when it ran once more, alone: counted as passed, and listed. */
  addFlaky(suite: string, first: Outcome, second: Outcome): void {
    const names = first.results.filter(({ status }) => status === "failed").map(({ name }) => name);
    const message = FIRST_MESSAGE.exec(first.output)?.[0].trim() ?? "no message";
    this.#flaky.push({ suite, file: first.job.title, why: `${names.join("; ")}: ${message}` });
    this.#output(first.output);
    this.add(suite, second, false);
  }

  #output(output: string): void {
    for (const line of output.slice(-MAX_SHOWN_OUTPUT_LENGTH).trimEnd().split("\n")) {
      this.terminal.line(`    ${line}`);
    }
  }

  /** What tests have measured: lines that begin with two spaces, and with no more. */
  #figures(output: string): void {
    for (const [figure] of output.matchAll(/^ {2}\S.*$/gm)) {
      const isLong = figure.length > MAX_FIGURE_LENGTH;
      this.terminal.line(`      ${isLong ? `${figure.slice(0, MAX_FIGURE_LENGTH)}...` : figure}`);
    }
  }

  /** A whole suite is skipped, and counts as one test. */
  skip(suite: string, reason: string): void {
    this.#reasons.set(suite, reason);
    this.#note(suite, [{ name: suite, status: "skipped" }], null);
  }

  /** Something that is no test has failed. */
  trouble(suite: string, what: string): void {
    this.#note(suite, [{ name: what, status: "failed" }], null);
    this.terminal.line(`FAILED  ${suite}: ${what}`);
  }

  endSuite(suite: string, durationMs: number, isQuick: boolean): void {
    const counts = this.#counts(suite);
    counts.durationMs += durationMs;
    if (isQuick) this.#line(counts, `${suite}: ${counts}, ${seconds(durationMs)}`);
  }

  /** @param tally a file to add the counts to, instead of the closing line @returns exit status */
  async conclude(tally: string | null): Promise<number> {
    const rows = [...this.#suites].map(([name, { passed, failed, skipped, durationMs }]) => {
      return [name, ...[passed, failed, skipped].map(String), seconds(durationMs)];
    });
    this.terminal.line();
    const table = columnsOf([["suite", "passed", "failed", "skipped", "time"], ...rows]);
    for (const line of table) this.terminal.line(line);
    this.#list("skipped");
    this.#list("failed");
    if (this.#flaky.length > 0) this.terminal.line("\nflaky (failed, then passed alone):");
    for (const { suite, file, why } of this.#flaky) {
      this.terminal.line(`  ${suite}: ${file}: ${why.slice(0, MAX_FLAKY_LENGTH)}`);
    }
    const total = new Counts();
    for (const each of this.#suites.values()) {
      for (const key of ["passed", "failed", "skipped"] as const) total[key] += each[key];
    }
    const { passed, failed, skipped } = total;
    this.terminal.line();
    if (tally === null) {
      this.terminal.line(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    } else await Deno.writeTextFile(tally, `${passed} ${failed} ${skipped}\n`, { append: true });
    return failed > 0 ? 1 : 0;
  }

  #counts(suite: string): Counts {
    const counts = this.#suites.get(suite) ?? new Counts();
    this.#suites.set(suite, counts);
    return counts;
  }

  #note(suite: string, results: readonly TestResult[], log: string | null): void {
    this.#counts(suite).add(results);
    for (const { name, status } of results) {
      if (status === "passed") continue;
      const reason = this.#reasons.get(lastName(name)) ?? "no reason is given";
      this.#noted.push({ suite, name, status, detail: status === "skipped" ? reason : log });
    }
  }

  #line(counts: Counts, text: string): void {
    this.terminal.line(`${counts.failed > 0 ? "FAILED" : "ok    "}  ${text}`);
  }

  #list(wanted: "skipped" | "failed"): void {
    const noted = this.#noted.filter(({ status }) => status === wanted);
    if (noted.length > 0) this.terminal.line(`\n${wanted}:`);
    for (const { suite, name, detail } of noted) {
      this.terminal.line(`  ${suite}: ${name}${detail === null ? "" : ` (${detail})`}`);
    }
  }
}
