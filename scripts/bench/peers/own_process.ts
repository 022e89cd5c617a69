/** Processes of a contestant: started with its environment, their output kept in its folder. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { alive, killTree } from "../../../test/support/proc.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import type { Place, Started } from "./contestant.ts";

const OUTPUT = "output.log";
const STOP_DEADLINE_MS = 15_000;
const COMMAND_DEADLINE_MS = 60_000;

export function spawnIn(place: Place, words: readonly string[]): ChildProcess {
  const [program = "", ...argv] = words;
  const output = openSync(join(place.dir, OUTPUT), "a");
  try {
    return spawn(program, argv, {
      cwd: place.dir,
      env: { ...process.env, ...place.env },
      stdio: ["ignore", output, output],
    });
  } finally {
    closeSync(output);
  }
}

/** What the contestant has printed last. */
export function outputOf(place: Place): string {
  try {
    return readFileSync(join(place.dir, OUTPUT), "utf8").slice(-2_000);
  } catch {
    return "";
  }
}

/** A command that ends by itself. @throws {Error} when it fails */
export async function runIn(place: Place, words: readonly string[]): Promise<void> {
  const child = spawnIn(place, words);
  const timer = setTimeout(() => killTree(child.pid!), COMMAND_DEADLINE_MS);
  const status = await new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal));
    child.once("error", resolve);
  });
  clearTimeout(timer);
  if (status !== 0) throw new Error(`${words.join(" ")}: ${status}\n${outputOf(place)}`);
}

/** A supervisor in the foreground that takes signals. */
export function signalled(
  place: Place,
  words: readonly string[],
  signals: { readonly reload: NodeJS.Signals; readonly stop: NodeJS.Signals },
): Started {
  const pid = spawnIn(place, words).pid!;
  return {
    supervisor: pid,
    roots: () => [pid],
    reload: () => Promise.resolve(void process.kill(pid, signals.reload)),
    stop: () => end(pid, signals.stop),
  };
}

export async function end(pid: number, signal: NodeJS.Signals): Promise<void> {
  if (!alive(pid)) return;
  process.kill(pid, signal);
  await hasEnded(pid);
}

/** With all its threads: the first one is a zombie while others may still hold its sockets. */
export async function hasEnded(pid: number): Promise<void> {
  await waitUntil(() => !alive(pid) && threads(pid) <= 1, {
    what: `process ${pid} has ended`,
    deadlineMs: STOP_DEADLINE_MS,
  }).catch(() => {}); // who stays is found, and named, as left behind
}

function threads(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}
