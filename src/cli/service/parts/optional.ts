/** Parts that only some services have, each loaded where it is: what is not needed costs no start and no memory. */
import type { Config } from "../../../config/config.ts";
import type { Platform } from "../../../platform/platform.ts";
import { logsToTerminal } from "../log_setup.ts";

export interface OptionalParts {
  /** With --otlp. */
  readonly otlp: typeof import("./otlp.ts").otlpPush | null;
  /** At a terminal. */
  readonly TerminalProgress: typeof import("./progress.ts").TerminalProgress | null;
}

export async function optionalParts(platform: Platform, config: Config): Promise<OptionalParts> {
  return {
    otlp: config.otlp === null ? null : (await import("./otlp.ts")).otlpPush,
    TerminalProgress: logsToTerminal(platform, config)
      ? (await import("./progress.ts")).TerminalProgress
      : null,
  };
}
