/**
 * The command line: words -> command -> exit status. Prints an error as one line that names the thing and one line with
 * the remedy. The entry file exits with the status; nothing else in baton ends the process. What a command needs is loaded
 * when it is known.
 */
import { UserError } from "../config/values/errors.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Platform } from "../platform/platform.ts";
import { commandVersion } from "./commands/version.ts";
import { isConfigHere, readJar } from "./console/early_files.ts";
import { EXIT_OK, EXIT_SYSTEM } from "./console/exit_status.ts";
import { type Printer, terminalPrinter } from "./console/printer.ts";
import type { Command } from "./words/parse.ts";
import { asksForVersion, mayReadFile } from "./words/early_words.ts";

/** What every hidden verb begins with. */
const HIDDEN = "__";

/** Runs the command in `runtime.argv`. @returns the exit status */
export async function runCommandLine(platform: Platform): Promise<number> {
  const { argv } = platform.runtime;
  if (argv[0]?.startsWith(HIDDEN)) {
    const { runHiddenVerb } = await import("./hidden_verbs.ts");
    const status = await runHiddenVerb(platform);
    if (status !== null) return status;
  }
  const print = terminalPrinter(platform);
  try {
    const status = await perform(platform, await readCommand(platform), print);
    if (print.failure === null || status !== EXIT_OK) return status;
    throw new UserError(`Cannot write to standard output: ${print.failure.code}`, {
      status: EXIT_SYSTEM,
      remedy: "Free some space, or redirect the output",
    });
  } catch (error) {
    return reportError(error, print);
  }
}

async function readCommand(platform: Platform): Promise<Command> {
  const { argv } = platform.runtime;
  if (asksForVersion(argv)) return { verb: "version" };
  const { parseCommandLine } = await import("./words/parse.ts");
  const env = platform.runtime.env();
  if (!mayReadFile(argv, env, isConfigHere)) {
    return parseCommandLine(argv, noFile, { env, readJar });
  }
  const { surroundingsOf } = await import("./console/config_reader.ts");
  const surroundings = surroundingsOf(platform);
  return parseCommandLine(argv, surroundings.readConfig, surroundings);
}

function noFile(path: string): never {
  throw new Error(`Cannot read ${path}: no word names a configuration file`);
}

async function perform(platform: Platform, command: Command, print: Printer): Promise<number> {
  if (command.verb === "version") return commandVersion(print);
  if (command.verb !== "run") {
    const { performCommand } = await import("./commands/commands.ts");
    return await performCommand(platform, command, print);
  }
  if (command.config.shutdownOnly) {
    const { commandRunShutdown } = await import("./service/run_shutdown.ts");
    return await commandRunShutdown(platform, command);
  }
  const { commandRun } = await import("./service/run.ts");
  return await commandRun(platform, command);
}

function reportError(error: unknown, print: Printer): number {
  if (!(error instanceof Error)) throw error;
  print.error(`baton: ${error.message}`, "red");
  if (error instanceof UserError) {
    if (error.remedy !== null) print.error(`  ${error.remedy}`);
    return error.status;
  }
  if (!(error instanceof SystemCallError)) print.error(error.stack ?? "");
  return EXIT_SYSTEM;
}
