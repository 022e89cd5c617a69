/** The process of `baton run`: its program, its log, its output, and its errors. */
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import { Logger } from "../../log/logger.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownCommandLine } from "../../platform/process/proc.ts";
import { flushOutputs } from "../../output/own_output.ts";
import { errorText } from "../../platform/error.ts";

const LOG_MODE = 0o640;
/** How long baton waits at exit for a slow reader of its output. */
const SLOW_READER_MS = 2_000;

/** From here on an internal error is logged, and baton keeps running. */
export function surviveErrors(platform: Platform, logger: Logger): void {
  const onError = (error: unknown) => {
    logger.error(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
  };
  platform.reactor.onError = onError;
  platform.runtime.onUncaught(onError);
}

/** Writes what servers printed and baton has buffered, before baton exits. */
export function finishOutput(platform: Platform): void {
  flushOutputs(platform, SLOW_READER_MS);
}

/** The command that starts this program again, from its file as it is at that time. */
export function programOf(platform: Platform): readonly string[] {
  const { selfCommand } = platform.runtime;
  // The name that a standalone binary was called with may be a symlink, which leads to the new version after a deploy.
  return selfCommand.length === 1 ? [ownCommandLine()[0] ?? ""] : selfCommand;
}

/**
 * Runs `action`. An instance that already has servers (`isRunning`) logs its failure and continues: the servers would
 * end with it.
 */
export function tolerate(isRunning: boolean, logger: Logger, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isRunning) throw error;
    logger.error(`continuing without it: ${errorText(error)}`);
  }
}

/** After an exec in place: falls back to standard error when the log file cannot be opened. */
export function openLoggerInPlace(platform: Platform, config: Config): Logger {
  try {
    return openLogger(platform, config);
  } catch (error) {
    const logger = openLogger(platform, { ...config, logFile: null });
    logger.error(`continuing without it: ${errorText(error)}`);
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
    return new Logger(platform, {
      name: config.name,
      format: config.logFormat,
      level: config.logLevel,
      open,
    });
  } catch (error) {
    throw new UserError(`Cannot write --log-file: ${errorText(error)}`);
  }
}
