/** Where baton's log goes, and how it looks there. */
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import { Logger, type LogLevel } from "../../log/logger.ts";
import { errorText } from "../../platform/error.ts";
import { statOf } from "../../platform/files/path.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import { canMoveCursor, paintFor, type Style } from "../console/color.ts";

const LOG_MODE = 0o640;
const STYLES: Readonly<Record<LogLevel, Style | null>> = {
  debug: "dim",
  info: null,
  warn: "yellow",
  error: "red",
};

/** Whether a person reads the log, at a terminal that can show more than lines. */
export function logsToTerminal(
  { terminals, runtime }: Platform,
  { logFile, logFormat }: Pick<Config, "logFile" | "logFormat">,
): boolean {
  return logFile === null && logFormat === "text" && canMoveCursor(runtime.env()) &&
    terminals.isTerminal(2);
}

/** @param isRunning servers run already: when the log file cannot be opened, standard error must do */
export function openLogger(platform: Platform, config: Config, isRunning = false): Logger {
  const { name, logFile, logFormat: format, logLevel: level } = config;
  const { descriptors, files } = platform;
  const open = () => {
    if (logFile === null) return descriptors.duplicate(2);
    // To open a FIFO for writing waits for a reader; for both it does not, and lines wait for one. fifo(7)
    const isFifo = statOf(logFile, files.at)?.isFIFO() ?? false;
    const access = isFifo ? C.O_RDWR : C.O_WRONLY | C.O_CREAT | C.O_APPEND;
    return descriptors.open(logFile, access, LOG_MODE);
  };
  try {
    const isTerminal = logsToTerminal(platform, config);
    const paint = isTerminal ? paintFor(platform.runtime.env(), true) : null;
    const shown = paint &&
      { decorate: (level: LogLevel, line: string) => paint(STYLES[level], line) };
    return new Logger(platform, { name, format, level, open, ...shown });
  } catch (error) {
    const message = `Cannot write --log-file: ${errorText(error)}`;
    if (!isRunning) throw new UserError(message);
    const logger = openLogger(platform, { ...config, logFile: null });
    logger.error(`continuing without it: ${message}`);
    return logger;
  }
}
