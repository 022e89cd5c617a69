/** The front of a service, with --front. */
import type { Config } from "../../../config/config.ts";
import { Front } from "../../../front/front.ts";
import type { Logger } from "../../../log/logger.ts";
import type { Platform } from "../../../platform/platform.ts";
import type { Listeners } from "../../../steering/listeners.ts";

interface FrontSetup {
  readonly platform: Platform;
  readonly config: Config;
  readonly logger: Logger;
}

export function makeFront(
  { platform, config: { name, front }, logger }: FrontSetup,
  listeners: Listeners,
): Front {
  return new Front({
    platform,
    listeners,
    service: name,
    specs: front,
    log: (text) => logger.info(text),
    warn: (text) => logger.warn(text),
    logError: (text) => logger.error(text),
  });
}
