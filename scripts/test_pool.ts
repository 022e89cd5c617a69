/**
 * Suites that allow the same number of files at the same time share a pool: their files run several at a time, the
 * longest first, those of an ordinary user last.
 */
import type { Terminal } from "./terminal.ts";
import type { Report } from "./test_report.ts";
import { type Job, type Outcome, run } from "./test_run.ts";
import { clientsPause, QUICK_TEST_MS, rankOf, type Suite, SUITES } from "./test_suites.ts";
import { isProven } from "./test_selftest.ts";
import { systemdTree } from "./test_systemd_tree.ts";
import { cannotChangeUser, type Place, PlainUserPlace } from "./test_user.ts";

const ROOT = new URL("..", import.meta.url).pathname;
export const LOGS = `${ROOT}.cache/test`;

export interface PoolOptions {
  /** Only files with this in their path. */
  readonly file: string;
  /** The program, for whichever user. */
  readonly deno: string;
  readonly report: Report;
  readonly terminal: Terminal;
  /** No job begins any more. */
  readonly isOver: () => boolean;
  /** A test file that fails is run once more, alone, to tell what is broken from what is unsteady. */
  readonly retries: boolean;
  /** Everything runs, as often and as fast as it can: tests of the test tools too, if they have passed before. */
  readonly isFull: boolean;
}

/** Pause of a client between two requests, where the load is not what a test is about. */
const PAUSE_MS = "10";

/** With more failures than this in one pool something is broken, and a second run would only cost time. */
const MOST_RETRIED = 5;

interface Running {
  readonly name: string;
  readonly count: number;
  /** When its first file was started. */
  startedAt: number | null;
  /** Says something only of what has failed. */
  readonly isQuick: boolean;
  done: number;
}

interface Failed {
  readonly suite: Running;
  readonly outcome: Outcome;
}

interface Next {
  readonly job: Job;
  readonly suite: Running;
}

function hasFailed({ results }: Outcome): boolean {
  return results.some(({ status }) => status === "failed");
}

/** @returns the names in order, in rows whose suites allow the same number of files at the same time */
export function poolsOf(names: readonly string[]): string[][] {
  const pools: string[][] = [];
  for (const name of names) {
    const last = pools.at(-1);
    const isAlike = SUITES[last?.[0] ?? ""]?.parallel === SUITES[name]?.parallel;
    if (last !== undefined && isAlike) last.push(name);
    else pools.push([name]);
  }
  return pools;
}

/** Places of users that it has made go when it is disposed of. */
export class Pool implements AsyncDisposable {
  readonly #current = new Set<string>();
  readonly #begun = new Set<Running>();
  readonly #failed: Failed[] = [];
  #user: PlainUserPlace | null = null;
  #done = 0;

  constructor(readonly options: PoolOptions) {}

  /** @returns the number of files, or checks, that were run */
  async run(names: readonly string[]): Promise<number> {
    const { parallel = 1 } = SUITES[names[0] ?? ""] ?? {};
    const queue = this.#queue(names);
    await Promise.all(Array.from({ length: parallel }, () => this.#work(queue)));
    await this.#retry();
    this.options.terminal.status("");
    for (const suite of this.#begun) this.#end(suite);
    return this.#done;
  }

  async #work(queue: AsyncGenerator<Next>): Promise<void> {
    for (let next = await queue.next(); !next.done; next = await queue.next()) {
      const { job, suite } = next.value;
      this.#current.add(job.title);
      this.#show(suite);
      const outcome = await run(job);
      this.#current.delete(job.title);
      this.#done++;
      suite.done++;
      if (this.options.retries && job.junit !== null && hasFailed(outcome)) {
        this.#failed.push({ suite, outcome });
        this.options.terminal.line(
          `again   ${suite.name}: ${job.title} failed: it runs once more at the end`,
        );
      } else {
        this.options.report.add(suite.name, outcome, suite.isQuick);
        if (suite.done === suite.count && !this.#awaitsRetry(suite)) this.#end(suite);
      }
      this.#show(suite);
    }
  }

  #awaitsRetry(suite: Running): boolean {
    return this.#failed.some((failed) => failed.suite === suite);
  }

  /** Runs what has failed once more, one file at a time with nothing beside it. */
  async #retry(): Promise<void> {
    const { report, isOver } = this.options;
    const isBroken = this.#failed.length > MOST_RETRIED;
    for (const { suite, outcome } of this.#failed.splice(0)) {
      const second = isBroken || isOver() ? outcome : await run(outcome.job);
      if (hasFailed(second)) report.add(suite.name, second, suite.isQuick);
      else report.addFlaky(suite.name, outcome, second);
    }
  }

  #show({ name, done, count }: Running): void {
    this.options.terminal.status(`${name} ${done}/${count}  ${[...this.#current].join("  ")}`);
  }

  #end(suite: Running): void {
    this.#begun.delete(suite);
    const { name, startedAt, isQuick, count } = suite;
    this.options.report.endSuite(
      name,
      startedAt === null ? 0 : performance.now() - startedAt,
      isQuick && count > 0,
    );
  }

  /**
   * Files of all suites, the longest first; then those of an ordinary user, who gets a copy of what the others have
   * built by then.
   */
  async *#queue(names: readonly string[]): AsyncGenerator<Next> {
    const isUsers = (name: string) => SUITES[name]?.asPlainUser ?? false;
    for (const group of [names.filter((name) => !isUsers(name)), names.filter(isUsers)]) {
      const files: Next[] = [];
      for (const name of group) files.push(...await this.#begin(name));
      for (const next of files.sort((a, b) => rankOf(a.job.title) - rankOf(b.job.title))) {
        if (this.options.isOver()) return;
        next.suite.startedAt ??= performance.now();
        yield next;
      }
    }
  }

  /** @returns the suite's files, none if it is skipped */
  async #begin(name: string): Promise<Next[]> {
    const { report, terminal, file, isFull } = this.options;
    const suite = SUITES[name];
    if (suite === undefined) return [];
    if (suite.unlessProven && !isFull && await isProven(ROOT)) {
      terminal.line(`ok      ${name}: passed with the test tools as they are`);
      return [];
    }
    const jobs = await this.#prepare(name, suite);
    if (jobs === null) return [];
    const isQuick = suite.testLimitMs <= QUICK_TEST_MS && suite.parallel > 1;
    const running: Running = { name, count: jobs.length, startedAt: null, isQuick, done: 0 };
    if (jobs.length === 0 && file === "") report.trouble(name, `no test is in ${suite.folder}`);
    this.#begun.add(running);
    if (jobs.length === 0) this.#end(running);
    return jobs.map((job) => ({ job, suite: running }));
  }

  /** @returns null: it is skipped */
  async #prepare(name: string, suite: Suite): Promise<Job[] | null> {
    const newer = suite.newerSystemd ? await systemdTree(ROOT) : { env: {}, refusal: null };
    const refusal = suite.asPlainUser ? await cannotChangeUser() : newer.refusal;
    if (refusal !== null) {
      this.options.report.skip(name, refusal);
      return null;
    }
    if (suite.asPlainUser) this.#user ??= await PlainUserPlace.create(ROOT);
    const user = suite.asPlainUser ? this.#user : null;
    const place = user ?? { root: ROOT, prefix: [], env: {} };
    const env = { DENO: this.options.deno, ...suite.env, ...newer.env, ...place.env };
    return await this.#jobsOf(name, suite, { ...place, env });
  }

  async #jobsOf(name: string, suite: Suite, place: Place): Promise<Job[]> {
    const { cwd, limitMs } = { cwd: place.root, limitMs: suite.fileLimitMs };
    if (suite.check !== undefined) {
      const command = [Deno.execPath(), ...suite.check];
      const log = `${LOGS}/${name}.log`;
      return [{ cwd, limitMs, env: place.env, title: name, command, junit: null, log }];
    }
    const files = await testFiles(suite.folder ?? "");
    const isWanted = (file: string) =>
      (suite.files?.some((word) => file.includes(word)) ?? true) &&
      !suite.except?.some((word) => file.includes(word));
    return files.filter((file) => file.includes(this.options.file) && isWanted(file)).map(
      (file) => {
        const log = `${LOGS}/${name}--${
          file.replace(/^test\/\w+\//, "").replaceAll("/", "--")
        }.log`;
        const junit = `${log}.xml`.replace(ROOT, place.root);
        const pause = !this.options.isFull && clientsPause(suite, file);
        const env = pause ? { ...place.env, BATON_TEST_THINK_MS: PAUSE_MS } : place.env;
        const command = runnerOf(suite, place, file, junit);
        return { cwd, limitMs, env, title: file, command, junit, log };
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#user?.[Symbol.asyncDispose]();
  }
}

function runnerOf(suite: Suite, place: Place, file: string, junit: string): string[] {
  if (suite.runner === "deno") {
    return [Deno.execPath(), "test", "-A", "--no-check", `--junit-path=${junit}`, file];
  }
  return [
    ...place.prefix,
    `${place.root}node_modules/.bin/bun`,
    "test",
    `--timeout=${suite.testLimitMs}`,
    "--preload=./scripts/test_preload.ts",
    "--reporter=junit",
    `--reporter-outfile=${junit}`,
    `./${file}`,
  ];
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
