/** What takes its time in a terminal, and the rarer ways to have one. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { batonCommand } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { CONTAINER, noContainer } from "../support/pid1.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { atTerminal, noTerminal } from "../support/terminal.ts";

const SHELL = "/bin/bash";
const INTERACTIVE = [SHELL, "--norc", "-i"];
const PROMPT = { PS1: "inner> ", HISTFILE: "" };
const TEST = { timeout: TEST_TIMEOUT_MS, skip: noTerminal };
const skip = noTerminal || !existsSync(SHELL) && "needs bash";

function baton(dir: TempDir, flags: readonly string[], command: readonly string[]): string[] {
  const own = ["--name", "web", "--runtime-dir", dir.path, "--log-file", dir.join("log")];
  return [...batonCommand(), "run", ...own, ...flags, "--", ...command];
}

test("--ready-timeout does not end a shell", { ...TEST, skip }, async () => {
  using dir = tempDir();
  const words = baton(dir, ["--ready-timeout", "10s"], INTERACTIVE);
  await using terminal = await atTerminal(words, PROMPT);
  await terminal.shows("inner> ");
  terminal.type("sleep 10.5; exit 5\r");
  assert.equal(await terminal.ends(), 5, readFileSync(dir.join("log"), "utf8"));
});

test("a shell, and baton that could reload is process 1", {
  ...TEST,
  skip: skip || noContainer,
}, async () => {
  using dir = tempDir();
  const words = [...CONTAINER, "setsid", "--ctty", ...baton(dir, [], INTERACTIVE)];
  await using terminal = await atTerminal(words, PROMPT);
  await terminal.shows("inner> ");
  terminal.type("echo go''es; cat\r");
  await terminal.shows("goes");
  terminal.type("typed\r");
  await terminal.shows("typed\r\ntyped");
  terminal.type("\x1a");
  await terminal.shows("Stopped");
  await terminal.shows("inner> ");
  terminal.type("exit\r");
  await terminal.shows("There are stopped jobs");
  terminal.type("exit 3\r");
  assert.equal(await terminal.ends(), 3, readFileSync(dir.join("log"), "utf8"));
});

test("stty tostop: the output comes through baton", TEST, async () => {
  using dir = tempDir();
  const env = { PORT: String(await freePort()), PYTHONUNBUFFERED: "1" };
  const command = baton(dir, [], fixtureCommand("at_terminal.py"));
  const words = ["sh", "-c", `stty tostop; exec "$@"`, "sh", ...command];
  await using terminal = await atTerminal(words, env);
  await terminal.shows("terminals True False False");
});
