/**
 * `baton install DIR`: copies this program to DIR/baton, for containers that share the directory. The copy appears whole
 * or not at all, and replaces an older one.
 */
import { UserError } from "../../config/values/errors.ts";
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Platform } from "../../platform/platform.ts";
import { EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { InstallCommand } from "../words/parse_pod.ts";
import type { Printer } from "../console/printer.ts";
import { errorText } from "../../platform/error.ts";

const PROGRAM_MODE = 0o755;

export function commandInstall(
  platform: Platform,
  { directory }: InstallCommand,
  print: Printer,
): number {
  const [program = "", ...rest] = platform.runtime.selfCommand;
  if (rest.length > 0) {
    throw new UserError(
      `Cannot install: this baton is a script that ${platform.runtime.name} runs, not a program`,
      { status: EXIT_SYSTEM, remedy: "Use the standalone binary dist/baton" },
    );
  }
  const target = join(directory, "baton");
  const temporary = join(directory, `.baton.${platform.runtime.pid}`);
  try {
    mkdirSync(directory, { recursive: true });
    copyFileSync(program, temporary);
    chmodSync(temporary, PROGRAM_MODE);
    renameSync(temporary, target);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    throw new UserError(`Cannot install ${target}: ${errorText(error)}`, {
      status: EXIT_SYSTEM,
      remedy: "Use a directory that this user may write to, with about 110 MiB free",
    });
  }
  print.out(`installed ${target}`);
  return EXIT_OK;
}
