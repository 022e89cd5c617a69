/**
 * Runs one test file, or one check, as a process of its own and says what came of it.
 *
 * Guarantees: a run that ends well but ran no test has failed; so has one that crashed, that took too
 * long, or that left processes behind. What is left behind is found by a
 * variable in its environment, and killed.
 */
import { killTree } from "../test/support/proc.ts";
import { readJunit, type TestResult } from "./test_junit.ts";

export interface Job {
  /** Path of the test file, or what is checked. */
  readonly title: string;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where the runner writes its report; null for a check, whose exit status is all. */
  readonly junit: string | null;
  /** Where all output goes. */
  readonly log: string;
  readonly limitMs: number;
}

export interface Outcome {
  readonly job: Job;
  readonly results: readonly TestResult[];
  /** Test name -> why it was skipped, where known. */
  readonly reasons: ReadonlyMap<string, string>;
  readonly output: string;
  readonly durationMs: number;
}

const RUN_MARK = "BATON_TEST_RUN";
/** What a test has stopped may need this long to be gone. */
const LEFT_BEHIND_GRACE_MS = 3_000;
const POLL_MS = 50;
/** After the runner's end, for output of what it left behind. */
const OUTPUT_GRACE_MS = 500;

const running = new Set<number>();
let runs = 0;

/** For an interrupt: ends all that was started here. */
export function killRunning(): void {
  for (const pid of running) killTree(pid);
  for (const { pid } of marked(`${Deno.pid}.`)) killTree(pid);
}

export async function run(job: Job): Promise<Outcome> {
  const startedAt = performance.now();
  const mark = `${Deno.pid}.${++runs}.`;
  const notes = `${job.junit ?? job.log}.skipped`;
  for (const path of [job.junit, notes]) if (path !== null) await remove(path);
  const [program = "", ...args] = job.command;
  const child = new Deno.Command(program, {
    args,
    cwd: job.cwd,
    env: { ...job.env, NO_COLOR: "1", [RUN_MARK]: mark, TEST_SKIP_NOTES: notes },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  running.add(child.pid);
  let tooLong = false;
  const limit = setTimeout(() => {
    tooLong = true;
    killTree(child.pid);
  }, job.limitMs);
  const output = new Output(child.stdout, child.stderr);
  const { code, signal } = await child.status;
  clearTimeout(limit);
  running.delete(child.pid);
  await output.end();
  const troubles = await leftBehind(mark);
  if (tooLong) troubles.push(`took longer than ${job.limitMs / 1000} s and was killed`);
  const xml = job.junit === null ? null : await read(job.junit);
  const results = xml === null ? [] : readJunit(xml);
  const reasons = readNotes(await read(notes) ?? "");
  if (job.junit === null) results.push(verdict(job.title, code === 0));
  else {
    results.push(...silentlySkipped(results, reasons));
    // Bun writes none when it has skipped all there is.
    const skippedAll = code === 0 && reasons.size > 0;
    if (xml === null && !skippedAll) {
      troubles.push(`ended without a report: ${signal ?? `status ${code}`}`);
    } else if (results.length === 0) troubles.push("ran no test");
    else if (code !== 0 && !results.some(({ status }) => status === "failed")) {
      troubles.push(`ended with ${signal ?? `status ${code}`} though no test failed`);
    }
  }
  results.push(...troubles.map((trouble) => verdict(trouble, false)));
  const text = [output.text, ...troubles.map((trouble) => `${job.title} ${trouble}\n`)].join("");
  await Deno.writeTextFile(job.log, text);
  return { job, results, reasons, output: text, durationMs: performance.now() - startedAt };
}

function verdict(name: string, passed: boolean): TestResult {
  return { name, status: passed ? "passed" : "failed" };
}

/** Both streams as they come, without waiting for other processes that hold the other end. */
class Output {
  text = "";
  readonly #ended: Promise<unknown>;
  readonly #readers: ReadableStreamDefaultReader<string>[];

  constructor(...streams: ReadableStream<Uint8Array<ArrayBuffer>>[]) {
    this.#readers = streams.map((stream) =>
      stream.pipeThrough(new TextDecoderStream()).getReader()
    );
    this.#ended = Promise.all(this.#readers.map(async (reader) => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        this.text += next.value;
      }
    }));
  }

  async end(): Promise<void> {
    const grace = Promise.withResolvers<void>();
    const timer = setTimeout(grace.resolve, OUTPUT_GRACE_MS);
    await Promise.race([this.#ended, grace.promise]);
    clearTimeout(timer);
    for (const reader of this.#readers) reader.cancel().catch(() => {});
  }
}

/** Bun does not count the tests of a skipped `describe`: each such group counts as one. */
function silentlySkipped(
  results: readonly TestResult[],
  reasons: ReadonlyMap<string, string>,
): TestResult[] {
  const known = new Set(results.map(({ name }) => lastName(name)));
  return [...reasons.keys()].filter((name) => !known.has(name))
    .map((name) => ({ name, status: "skipped" }));
}

/** "group > test" -> "test" */
export function lastName(name: string): string {
  return name.slice(name.lastIndexOf(" > ") + 1).replace(/^> /, "");
}

function readNotes(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => JSON.parse(line) as [string, string]));
}

/** Waits a little for processes of this run to end; kills those that do not, and names them. */
async function leftBehind(mark: string): Promise<string[]> {
  const deadline = performance.now() + LEFT_BEHIND_GRACE_MS;
  while (performance.now() < deadline) {
    if (marked(mark).length === 0) return [];
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const left = marked(mark);
  for (const { pid } of left) killTree(pid);
  return left.map(({ pid, command }) => `left process ${pid} behind: ${command}`);
}

/** Living processes whose environment says that they come from this run. */
function marked(mark: string): { pid: number; command: string }[] {
  const found = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    try {
      const environment = Deno.readTextFileSync(`/proc/${name}/environ`);
      if (!environment.includes(`${RUN_MARK}=${mark}`)) continue;
      const command = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      found.push({ pid, command });
    } catch {
      // Gone, or another user's.
    }
  }
  return found;
}

async function read(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return null;
  }
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // There was none.
  }
}
