/** `--shutdown-only` beside what containers have for the same place. */
import { batonCommand } from "../../../test/support/baton.ts";
import { privateMemoryBytes } from "../../../test/support/proc.ts";
import { which } from "../../../test/support/programs.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";
import { BYTES_PER_MIB, directChildren, firstWord, pause, residentBytes, watch } from "../proc.ts";
import type { Bench, Measured, Section } from "../section.ts";
import { type Spread, spread } from "../spread.ts";

/** What stands between a container's runtime and its server. */
interface ProcessOne {
  readonly name: string;
  readonly residentBytes: number;
  readonly privateBytes: number;
  /** From its own start until it has become, or started, the server. */
  readonly execMs: Spread;
}

/** Until its memory has settled. */
const SETTLED_MS = 1000;
const BATON = "baton --shutdown-only";

export const PROCESS_ONE: Section = { name: "process-one", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured> {
  bench.status("process 1");
  using dir = tempDir("bench");
  const own = ["run", "--shutdown-only", "--runtime-dir", dir.path, "--log-level", "error", "--"];
  const candidates: [string, readonly string[]][] = [
    [BATON, [...batonCommand(), ...own]],
    ["tini", ["tini", "-s", "--"]],
    ["dumb-init", ["dumb-init", "--"]],
  ];
  const results: ProcessOne[] = [];
  for (const [name, words] of candidates) {
    if (which(words[0] ?? "") === null && !(words[0] ?? "").includes("/")) {
      bench.skip(`process 1: ${name} is not installed`);
      continue;
    }
    results.push(await processOne(name, words, bench.plan.runs));
  }
  bench.table([
    ["process 1", "resident, MiB", "private, MiB", "until the server's exec, ms", "min", "max"],
    ...results.map(({ name, residentBytes, privateBytes, execMs }) => [
      name,
      (residentBytes / BYTES_PER_MIB).toFixed(2),
      (privateBytes / BYTES_PER_MIB).toFixed(2),
      ...[execMs.median, execMs.min, execMs.max].map((value) => value.toFixed(1)),
    ]),
  ]);
  const baton = results.find(({ name }) => name === BATON);
  return {
    figures: baton === undefined ? {} : { shutdownOnlyExecMs: baton.execMs.median },
    details: results,
  };
}

/** @param words the command in front of the server's */
async function processOne(
  name: string,
  words: readonly string[],
  runs: number,
): Promise<ProcessOne> {
  const [program = "", ...args] = words;
  const times: number[] = [];
  let memory = { residentBytes: NaN, privateBytes: NaN };
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    const child = new Deno.Command(program, {
      args: [...args, "sleep", "60"],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      watch(() => directChildren(child.pid).find((pid) => firstWord(pid) === "sleep"));
      times.push(performance.now() - startedAt);
      await pause(run === runs - 1 ? SETTLED_MS : 0);
      memory = {
        residentBytes: residentBytes(child.pid),
        privateBytes: privateMemoryBytes(child.pid) ?? NaN,
      };
    } finally {
      for (const pid of directChildren(child.pid)) Deno.kill(pid, "SIGKILL");
      await child.status;
    }
  }
  return { name, ...memory, execMs: spread(times) };
}
