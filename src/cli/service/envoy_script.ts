/** Checks a start script of Envoy: hot-restarter.py, which baton replaces, starts one. */
import { resolve } from "node:path";
import type { Config } from "../../config/config.ts";
import { checkEnvoyScript, scriptIn } from "../../config/envoy_epoch.ts";
import { firstText } from "../../platform/files/first_bytes.ts";

/** @throws {UserError} when the script uses Envoy's own hot restart; not when it cannot be read */
export function refuseEnvoyScript({ command, cwd }: Pick<Config, "command" | "cwd">): void {
  const path = scriptIn(command);
  if (path !== null) checkEnvoyScript(path, firstText(resolve(cwd ?? "/", path)) ?? "");
}
