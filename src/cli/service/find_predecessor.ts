/** `baton run --takeover`: finds the old baton, and gets its listeners before anything is started. */
import { longestStartMs } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import { HandoffSocketError } from "../../succession/takeover/handoff_socket.ts";
import { TakeoverClient, TakeoverError } from "../../succession/takeover/takeover_client.ts";
import { EXIT_BUSY, EXIT_NEW_GENERATION_FAILED, EXIT_USAGE } from "../console/exit_status.ts";
import { VERSION } from "../console/version.ts";

/**
 * @returns null when it was not asked for, or when there is nobody: the same command line starts the
 *   first baton and every later one
 * @throws {UserError} when the old baton is there and nothing comes of it
 */
export async function takeOver(
  platform: Platform,
  config: Config,
  logger: Logger,
): Promise<TakeoverClient | null> {
  const { takeover: path, name, parentShutdownTimeMs, survive } = config;
  if (path === null) return null;
  const times = { readyTimeoutMs: longestStartMs(config), parentShutdownTimeMs };
  const options = { path, name, ...times, survives: survive, batonVersion: VERSION };
  try {
    const taker = await TakeoverClient.connect(platform, options);
    if (taker === null) logger.warn(`nobody to take over from at ${path}: starts as the first`);
    else logger.info(`takes over from ${taker.text}`, { path });
    return taker;
  } catch (error) {
    if (!(error instanceof TakeoverError)) throw error;
    throw new UserError(error.message, {
      status: EXIT_NEW_GENERATION_FAILED,
      remedy: "The old baton goes on; nothing was lost. Its log says more",
    });
  }
}

/** Runs `start`. @throws {UserError} when --handoff-socket cannot be used */
export function explainHandoffSocket(start: () => void): void {
  try {
    start();
  } catch (error) {
    if (!(error instanceof HandoffSocketError)) throw error;
    throw new UserError(error.message, {
      status: error.isBusy ? EXIT_BUSY : EXIT_USAGE,
      remedy: error.remedy,
    });
  }
}
