/** `baton check`: the configuration of `baton run` as it would be, where each value is from, and what is wrong with it. */
import { effectiveLines, effectiveValues } from "../../config/effective.ts";
import { misspelled } from "../../config/env_options.ts";
import { exclusiveUse } from "../../config/exclusive.ts";
import { readFront } from "../../config/front/settings.ts";
import { checkOrder, serviceOrder } from "../../config/order.ts";
import { checkPlaceholders } from "../../config/validate.ts";
import { firstText } from "../../platform/files/first_bytes.ts";
import { resolvePath } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";
import { checkProgram } from "../../process/check_program.ts";
import { basisFromFiles, logicalDirectory } from "../../process/launch_plan.ts";
import { processSettings } from "../../process/process_settings.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import type { CheckCommand } from "../words/parse_run.ts";

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

/** All that is refused before a process is started, but for what only this machine's state decides. */
function tryStart(platform: Platform, { config }: CheckCommand["loaded"]) {
  const env = platform.runtime.env();
  const here = logicalDirectory(env, platform.files.directory(), platform.files.at);
  const directory = config.cwd === null ? here : resolvePath(here, config.cwd);
  const order = serviceOrder(config, exclusiveUse(config.command, directory, firstText));
  checkOrder(config, order);
  if (config.listen.length > 0) checkPlaceholders(config);
  processSettings(config);
  const basis = basisFromFiles({
    config,
    env,
    directory,
    pid: platform.runtime.pid,
    trap: [],
    fileLimit: null,
    at: platform.files.at,
  });
  checkProgram(basis, platform.files);
  return order;
}
