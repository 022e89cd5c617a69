/** `baton init`: prints a file for the tool that will run baton, or writes the files of a front (front.ts). */
import { checkEnvoyScript } from "../../../config/envoy_epoch.ts";
import { firstText } from "../../../platform/files/first_bytes.ts";
import { resolvePath } from "../../../platform/files/path.ts";
import type { Platform } from "../../../platform/platform.ts";
import { commandLineOf } from "../../../platform/process/proc.ts";
import { TEMPLATES } from "../../../init/templates.ts";
import { resolveProgram } from "../../../launcher/resolve.ts";
import { logicalDirectory } from "../../../process/launch_plan.ts";
import { EXIT_OK } from "../../console/exit_status.ts";
import type { InitCommand } from "../../words/parse_run.ts";
import type { Printer } from "../../console/printer.ts";

export async function commandInit(
  platform: Platform,
  command: InitCommand,
  print: Printer,
): Promise<number> {
  const { template, config, options } = command;
  const directory = logicalDirectory(platform.runtime.env(), platform.files.directory());
  const baton = ownWords(platform, directory);
  const cwd = config.cwd === null ? directory : resolvePath(directory, config.cwd);
  checkEnvoyScript(config, cwd, firstText);
  if (template === "envoy") {
    const { commandInitFront } = await import("./front.ts");
    return await commandInitFront(platform, command, { baton, directory }, print);
  }
  const programFolder = folderInPath(platform, config.command[0] ?? "", cwd);
  const text = TEMPLATES[template]({ baton, config, options, directory, programFolder });
  print.out(text.trimEnd());
  return EXIT_OK;
}

/** @returns the folder of PATH that has the program; null: none has it, or none is asked */
function folderInPath(platform: Platform, program: string, cwd: string): string | null {
  if (program === "" || program.includes("/")) return null;
  const found = resolveProgram(program, platform.runtime.env()["PATH"], cwd, platform.files);
  return found.kind === "found" ? found.path.slice(0, found.path.lastIndexOf("/")) : null;
}

/** The words that start this baton from any directory. */
function ownWords(platform: Platform, directory: string): readonly string[] {
  const { selfCommand } = platform.runtime;
  if (selfCommand.length > 1) return selfCommand;
  const called = commandLineOf("self")[0] ?? "";
  const { PATH } = platform.runtime.env();
  const found = resolveProgram(called, PATH, directory, platform.files);
  return [found.kind === "found" ? found.path : called];
}
