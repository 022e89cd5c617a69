/** What `baton run` is made with: its own program, and baton's log. */
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import { Logger } from "../../log/logger.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownCommandLine } from "../../platform/process/proc.ts";
import { OwnOutputs } from "../../output/own_output.ts";
import { errorText } from "../../platform/error.ts";

const LOG_MODE = 0o640;
/** How long the end of baton waits for a reader of its output that has not taken everything yet. */
const SLOW_READER_MS = 2_000;

/** After its start baton never ends because of an error of its own: it logs the error and carries on. */
export function surviveErrors(platform: Platform, logger: Logger): void {
  const onError = (error: unknown) => {
    logger.error(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
  };
  platform.reactor.onError = onError;
  platform.runtime.onUncaught(onError);
}

/** What servers have printed and baton has in hand is written out before baton ends. */
export function finishOutput(platform: Platform): void {
  OwnOutputs.of(platform).flush(SLOW_READER_MS);
}

/** The words that start this very baton anew, from its file as it will be then. */
export function programOf(platform: Platform): readonly string[] {
  const { selfCommand } = platform.runtime;
  // A standalone binary is found again by the name that it was called with, so that a symlink that
  // has moved since leads to the new version.
  return selfCommand.length === 1 ? [ownCommandLine()[0] ?? ""] : selfCommand;
}

/**
 * For what a baton that starts insists on, and one that has servers already must do without: if that
 * one ended, they would end with it.
 * @throws whatever `action` throws, unless `isRunning`
 */
export function insist(isRunning: boolean, logger: Logger, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isRunning) throw error;
    logger.error(`goes on without: ${errorText(error)}`);
  }
}

/** For what is made later if it cannot be now, unless that `matters`: then it throws what `action` throws. */
export function need(matters: boolean, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (matters) throw error;
  }
}

/** After an exec in place: standard error, where the log file cannot be opened any more. */
export function openLoggerInPlace(platform: Platform, config: Config): Logger {
  try {
    return openLogger(platform, config);
  } catch (error) {
    const logger = openLogger(platform, { ...config, logFile: null });
    insist(true, logger, () => {
      throw error;
    });
    return logger;
  }
}

export function openLogger(platform: Platform, config: Config): Logger {
  const { logFile } = config;
  const open = () => {
    if (logFile === null) return platform.descriptors.duplicate(2);
    return platform.descriptors.open(logFile, C.O_WRONLY | C.O_CREAT | C.O_APPEND, LOG_MODE);
  };
  try {
    return new Logger(platform.descriptors, {
      name: config.name,
      format: config.logFormat,
      level: config.logLevel,
      open,
    });
  } catch (error) {
    const why = errorText(error);
    throw new UserError(`Cannot write --log-file: ${why}`);
  }
}
