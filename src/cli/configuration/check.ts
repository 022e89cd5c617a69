/** `baton check`: the configuration of `baton run` as it would be, where each value is from, and what is wrong with it. */
import { effectiveLines, effectiveValues } from "../../config/effective.ts";
import { misspelled } from "../../config/env_options.ts";
import { readFront } from "../../config/front/settings.ts";
import type { Platform } from "../../platform/platform.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import type { CheckCommand } from "../words/parse_run.ts";
import { tryStart } from "./try_start.ts";

/** @throws {UserError} for what would keep the server from being started */
export function commandCheck(
  platform: Platform,
  { loaded, json }: CheckCommand,
  print: Printer,
): number {
  const { config, file } = loaded;
  readFront(file);
  const env = platform.runtime.env();
  const warnings = misspelled(env).map(({ name, near }) =>
    `${name} is no option: did you mean ${near}?`
  );
  if (json) {
    const report = {
      file: file?.path ?? null,
      isFound: file?.isFound === true,
      warnings,
      options: effectiveValues(loaded),
    };
    print.out(JSON.stringify(report, null, 2));
  } else {
    const how = file?.isFound ? ", found in the working directory" : "";
    print.out(`# file: ${file === null ? "none" : file.path + how}`);
    effectiveLines(loaded).forEach((line) => print.out(line));
  }
  for (const warning of warnings) print.error(`baton: warning: ${warning}`);
  const { order, reason } = tryStart(platform, loaded);
  if (!json) {
    print.out(`\n# A reload: ${order}, ${reason}`);
    print.out(`# "baton run" can start ${config.command[0]}`);
  }
  return EXIT_OK;
}
