/** All that is refused before a process is started, but for what only this machine's state decides. */
import { checkEnvoyScript } from "../../config/envoy_epoch.ts";
import { exclusiveUse } from "../../config/exclusive.ts";
import { checkOrder, serviceOrder } from "../../config/order.ts";
import { checkPlaceholders } from "../../config/validate.ts";
import { firstText } from "../../platform/files/first_bytes.ts";
import { resolvePath } from "../../platform/files/path.ts";
import { checkProgram } from "../../process/check_program.ts";
import { basisFromFiles, logicalDirectory } from "../../process/launch_plan.ts";
import { processSettings } from "../../process/process_settings.ts";
import type { Platform } from "../../platform/platform.ts";
import type { CheckCommand } from "../words/parse_run.ts";

/** @returns the order of a reload, and why @throws {UserError} */
export function tryStart(platform: Platform, { config }: CheckCommand["loaded"]) {
  const env = platform.runtime.env();
  const here = logicalDirectory(env, platform.files.directory(), platform.files.at);
  const directory = config.cwd === null ? here : resolvePath(here, config.cwd);
  checkEnvoyScript(config, directory, firstText);
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
