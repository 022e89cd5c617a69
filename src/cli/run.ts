/**
 * The command line: words -> command -> exit status. Prints an error as one line that names the thing and one line with
 * the remedy. The entry file exits with the status; nothing else in baton ends the process.
 */
import { UserError } from "../config/values/errors.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Platform } from "../platform/platform.ts";
import { performCommand } from "./commands/commands.ts";
import { configReader } from "./console/config_reader.ts";
import { EXIT_OK, EXIT_SYSTEM } from "./console/exit_status.ts";
import { type Printer, terminalPrinter } from "./console/printer.ts";
import { runHiddenVerb } from "./hidden_verbs.ts";
import { commandRun } from "./service/run.ts";
import { commandRunShutdown } from "./service/run_shutdown.ts";
import { type Command, parseCommandLine } from "./words/parse.ts";

/** Runs the command in `runtime.argv`. @returns the exit status */
export async function runCommandLine(platform: Platform): Promise<number> {
  const hidden = runHiddenVerb(platform);
  if (hidden !== null) return await hidden;
  const print = terminalPrinter(platform);
  try {
    const command = parseCommandLine(platform.runtime.argv, configReader(platform));
    const status = await perform(platform, command, print);
    if (print.failure === null || status !== EXIT_OK) return status;
    throw new UserError(`Cannot write to standard output: ${print.failure.code}`, {
      status: EXIT_SYSTEM,
      remedy: "Free some space, or redirect the output",
    });
  } catch (error) {
    return reportError(error, print);
  }
}

function perform(platform: Platform, command: Command, print: Printer): number | Promise<number> {
  if (command.verb !== "run") return performCommand(platform, command, print);
  const run = command.config.shutdownOnly ? commandRunShutdown : commandRun;
  return run(platform, command.config);
}

function reportError(error: unknown, print: Printer): number {
  if (!(error instanceof Error)) throw error;
  print.error(`baton: ${error.message}`);
  if (error instanceof UserError) {
    if (error.remedy !== null) print.error(`  ${error.remedy}`);
    return error.status;
  }
  if (!(error instanceof SystemCallError)) print.error(error.stack ?? "");
  return EXIT_SYSTEM;
}
