/** Whether this machine lets baton learn a server's own sockets, and what follows if not. */
import { UserError } from "../../config/values/errors.ts";
import type { Config } from "../../config/config.ts";
import { missingForAdopt, probeCapabilities } from "../../handoff/capabilities.ts";
import type { Platform } from "../../platform/platform.ts";
import { EXIT_SYSTEM } from "../console/exit_status.ts";

/** True when bind and listen are to be trapped. @throws {UserError} when that cannot work here */
export function chooseTrap(platform: Platform, config: Config): boolean {
  const capabilities = probeCapabilities(platform);
  const broken = capabilities.find(({ ok, needed }) => !ok && needed === "always");
  if (broken) {
    throw new UserError(`Cannot run here: ${broken.title}: ${broken.detail}`, {
      status: EXIT_SYSTEM,
      remedy: `What follows: ${broken.consequence}. Run "baton doctor" for the whole picture`,
    });
  }
  if (config.handoff === "inherit") return false;
  const [missing] = missingForAdopt(capabilities);
  if (missing === undefined) return true;
  if (config.handoff === "auto" && config.listen.length > 0) return false;
  throw new UserError(`Cannot adopt the server's sockets: ${missing.title}: ${missing.detail}`, {
    status: EXIT_SYSTEM,
    remedy: `What follows: ${missing.consequence}. Run "baton doctor" for the whole picture`,
  });
}
