/** What a real shell offers for a command line of baton. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import type { Shell } from "../../src/cli/words/parse_completions.ts";
import { REPOSITORY } from "./programs.ts";

const TIMEOUT_MS = 20_000;

/** Without the user's own files. */
const STARTS: Readonly<Record<Shell, readonly string[]>> = {
  bash: ["bash", "--norc", "--noprofile"],
  fish: ["fish", "--no-config"],
  zsh: ["zsh", "-f"],
};

function run(shell: Shell, words: readonly string[], env: Readonly<Record<string, string>>) {
  const [program = "", ...args] = STARTS[shell];
  const driver = join(REPOSITORY, "test", "support", `complete.${shell}`);
  const { status, stdout, stderr, error } = spawnSync(program, [...args, driver, ...words], {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    cwd: "/",
    env: { ...process.env, TERM: "dumb", ...env },
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${shell} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

function wordsIn(text: string): string[] {
  // fish adds a tab and a description; zsh's terminal has a carriage return.
  const words = text.split("\n").map((line) => line.split("\t")[0]!.trim());
  return words.filter((word) => word !== "");
}

/**
 * @param file the completion
 * @returns the words offered for each line, with the cursor at its end
 */
export function completionsIn(
  shell: Shell,
  file: string,
  lines: readonly string[],
  env: Readonly<Record<string, string>> = {},
): readonly (readonly string[])[] {
  if (shell === "zsh") return lines.map((line) => wordsIn(run(shell, [file, line], env)));
  return run(shell, [file, ...lines], env).split(/^=$/m).slice(1).map(wordsIn);
}
