/** Whether this machine lets baton learn a server's own sockets, and what follows if not. */
import type { Config } from "../../config/config.ts";
import { missingForAdopt, probeCapabilities } from "../../handoff/capabilities.ts";
import type { Platform } from "../../platform/platform.ts";
import { CommandError } from "../console/command_error.ts";
import { EXIT_SYSTEM } from "../console/exit_status.ts";

/** True when bind and listen are to be trapped. @throws {CommandError} when that cannot work here */
export function chooseTrap(platform: Platform, config: Config): boolean {
  const capabilities = probeCapabilities(platform);
  const broken = capabilities.find(({ ok, needed }) => !ok && needed === "always");
  if (broken) {
    throw new CommandError(
      EXIT_SYSTEM,
      `Cannot run here: ${broken.title}: ${broken.detail}`,
      `What follows: ${broken.consequence}. Run "baton doctor" for the whole picture`,
    );
  }
  if (config.handoff === "inherit") return false;
  const [missing] = missingForAdopt(capabilities);
  if (missing === undefined) return true;
  if (config.handoff === "auto" && config.listen.length > 0) return false;
  throw new CommandError(
    EXIT_SYSTEM,
    `Cannot adopt the server's sockets: ${missing.title}: ${missing.detail}`,
    `What follows: ${missing.consequence}. Run "baton doctor" for the whole picture`,
  );
}
