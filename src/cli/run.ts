/**
 * The command line: words -> command -> exit status. Maps every error to one line that names the
 * thing, one line with the remedy, and a status of `exit_status.ts`. The entry file exits with what
 * this returns; nothing else in baton ends the process.
 */
import { UserError } from "../config/values/errors.ts";
import { launch } from "../launcher/launcher.ts";
import { LAUNCH_VERB } from "../launcher/plan.ts";
import { SystemCallError } from "../platform/error.ts";
import { startClean } from "../platform/process/hidden_environment.ts";
import { runFdStoreServer } from "../succession/state/fd_store_server.ts";
import { HOLD_VERB } from "../succession/state/fd_store_protocol.ts";
import { CHECK_VERB } from "../succession/upgrade/preflight.ts";
import { Platform } from "../platform/platform.ts";
import type { Runtime } from "../platform/runtime/runtime.ts";
import { commandCheckState } from "./commands/check_state.ts";
import { commandDoctor } from "./commands/doctor.ts";
import { commandInit } from "./commands/init.ts";
import { commandInstall } from "./commands/install.ts";
import { commandPrestop } from "./commands/prestop.ts";
import { commandReady } from "./commands/ready.ts";
import { commandReload } from "./commands/reload.ts";
import { commandRun } from "./service/run.ts";
import { commandRunShutdown } from "./service/run_shutdown.ts";
import { commandStatus } from "./commands/status.ts";
import { commandStop } from "./commands/stop.ts";
import { commandTrial } from "./commands/trial.ts";
import { commandUpgrade } from "./commands/upgrade.ts";
import { configReader } from "./console/config_reader.ts";
import { EXIT_OK, EXIT_SYSTEM } from "./console/exit_status.ts";
import { helpText } from "./words/help.ts";
import { type Command, parseCommandLine } from "./words/parse.ts";
import { type Printer, terminalPrinter } from "./console/printer.ts";
import { VERSION } from "./console/version.ts";

/** Runs what the command line asks for. @returns the exit status */
export async function runCommandLine(runtime: Runtime): Promise<number> {
  const platform = new Platform(runtime);
  startClean(platform);
  const [verb, argument, ...rest] = runtime.argv;
  if (verb === LAUNCH_VERB && argument !== undefined) launch(platform, Number(argument));
  if (verb === CHECK_VERB && argument !== undefined) {
    return commandCheckState(platform, Number(argument), rest);
  }
  if (verb === HOLD_VERB && argument !== undefined) {
    const [path = "", mode = ""] = rest;
    runFdStoreServer(platform, Number(argument), path, mode === "next");
    return EXIT_OK;
  }
  const print = terminalPrinter(platform);
  try {
    const command = parseCommandLine(runtime.argv, configReader(platform));
    const status = await perform(platform, command, print);
    if (print.failure === null || status !== EXIT_OK) return status;
    throw new UserError(`Cannot write to standard output: ${print.failure.code}`, {
      status: EXIT_SYSTEM,
      remedy: "Make room for it, or send it elsewhere",
    });
  } catch (error) {
    return explain(error, print);
  }
}

function perform(platform: Platform, command: Command, print: Printer): number | Promise<number> {
  switch (command.verb) {
    case "run":
      return command.config.shutdownOnly
        ? commandRunShutdown(platform, command.config)
        : commandRun(platform, command.config);
    case "reload":
      return commandReload(platform, command, print);
    case "promote":
    case "rollback":
    case "canary":
      return commandTrial(platform, command, print);
    case "upgrade":
      return commandUpgrade(platform, command, print);
    case "status":
      return commandStatus(platform, command, print);
    case "stop":
      return commandStop(platform, command, print);
    case "ready":
      return commandReady(platform, command, print);
    case "prestop":
      return commandPrestop(platform, command, print);
    case "install":
      return commandInstall(platform, command.directory, print);
    case "doctor":
      return commandDoctor(platform, command.json, print);
    case "init":
      return commandInit(platform, command, print);
    case "help":
      print.out(helpText(command.topic).trimEnd());
      return EXIT_OK;
    case "version":
      print.out(`baton ${VERSION}`);
      return EXIT_OK;
  }
}

function explain(error: unknown, print: Printer): number {
  if (!(error instanceof Error)) throw error;
  print.error(`baton: ${error.message}`);
  if (error instanceof UserError) {
    if (error.remedy !== null) print.error(`  ${error.remedy}`);
    return error.status;
  }
  if (!(error instanceof SystemCallError)) print.error(error.stack ?? "");
  return EXIT_SYSTEM;
}
