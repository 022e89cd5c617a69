/** The promise: bash, zsh and fish complete baton's commands, options, values and services, and the server's own words. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { delimiter } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SHELLS } from "../../src/cli/words/parse_completions.ts";
import { batonCommand, startBaton, UNDER_TEST } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { which } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { server } from "../support/controlled.ts";
import { freePort } from "../support/free_port.ts";
import { completionsIn } from "../support/shell_completion.ts";
import { tempDir } from "../support/temp_dir.ts";

/** What must be among the words that are offered, and what must not. */
const LINES: readonly (readonly [line: string, has: readonly string[], not: readonly string[]])[] =
  [
    ["baton re", ["reload", "ready", "rehearse"], ["run", "status"]],
    ["baton run --hand", ["--handoff", "--handoff-socket"], ["--hold"]],
    ["baton run --handoff ", ["auto", "adopt", "inherit"], ["switch"]],
    ["baton run --hold --listen 80 ba", ["base64", "basename"], ["--backlog"]],
    ["baton run -- ls /etc/pass", ["passwd"], []],
    ["baton init systemd -- basen", ["basename"], []],
    ["baton init sys", ["systemd"], ["docker"]],
    ["baton run --stop-on US", ["USR1", "USR2"], ["HUP"]],
    ["baton run --config /etc/pass", ["passwd"], []],
    ["baton status --js", ["--json"], ["--timeout"]],
    ["baton completions ", [...SHELLS], ["run"]],
  ];
/** zsh starts twice for each. */
const QUICK_LINES = 4;

function printCompletion(shell: string): string {
  const [program = "", ...words] = batonCommand();
  return execFileSync(program, [...words, "completions", shell], { encoding: "utf8" });
}

for (const shell of SHELLS) {
  const skip = which(shell) === null ? `no ${shell}` : false;

  test(`${shell} completes commands, options, values and the server's words`, {
    skip,
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    using dir = tempDir("comp");
    const file = dir.write("baton", printCompletion(shell));
    const table = shell === "zsh" && !IS_FULL ? LINES.slice(0, QUICK_LINES) : LINES;
    const offered = completionsIn(shell, file, table.map(([line]) => line));
    for (const [at, [line, has, not]] of table.entries()) {
      // zsh and fish have names without their folder, bash with it.
      const words = offered[at]!.map((word) => word.replace(/^.*\//, ""));
      for (const word of has) assert.ok(words.includes(word), `${line}: ${offered[at]}`);
      for (const word of not) assert.ok(!words.includes(word), `${line}: ${offered[at]}`);
    }
  });

  test(`${shell} completes the names of running services`, {
    skip: skip || (UNDER_TEST === "deno" && "it is the same program"),
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using baton = await startBaton(server(await freePort()));
    // As a user's PATH has it.
    symlinkSync(batonCommand()[0]!, baton.dir.join("baton"));
    const file = baton.dir.write("completion", printCompletion(shell));
    const env = {
      PATH: [baton.dir.path, process.env["PATH"]].join(delimiter),
      RUNTIME_DIRECTORY: baton.dir.path,
    };
    const [names, none] = completionsIn(
      shell,
      file,
      ["baton reload w", `baton reload --runtime-dir /nowhere w`],
      env,
    );
    assert.deepEqual(names, ["web"]);
    assert.deepEqual(none, []);
  });
}
