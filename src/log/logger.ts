/**
 * baton's own log: one line per event, to standard error or a file; text for people, JSON for machines. Never to standard
 * output, which belongs to the server. A reader that does not read loses lines, which are counted, and never blocks
 * baton.
 */
import { printable } from "../platform/bytes.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { errorText } from "../platform/error.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
type LogFields = Readonly<Record<string, string | number | boolean | null>>;

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

const TOO_SLOW = "the reader was too slow";
/** Bytes that a pipe takes in one piece: <linux/limits.h> */
const PIPE_BUF = 4096;

export interface LoggerOptions {
  readonly name: string;
  readonly format: "text" | "json";
  readonly level: LogLevel;
  /** Makes a line of text on a terminal colored. */
  readonly decorate?: (level: LogLevel, line: string) => string;
  /** Opens the destination; `reopen` calls it again. */
  readonly open: () => Fd;
}

export class Logger {
  #destination: Fd;
  #lost = 0;
  /** Why the last line was lost. */
  #why = TOO_SLOW;
  /** Whether the last line has no end. */
  #isTorn = false;
  #how: Pick<LoggerOptions, "format" | "level">;

  constructor(
    readonly platform: Pick<Platform, "clock" | "descriptors">,
    readonly options: LoggerOptions,
  ) {
    this.#destination = options.open();
    this.#how = options;
  }

  configure(how: Pick<LoggerOptions, "format" | "level">): void {
    this.#how = how;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#log("error", message, fields);
  }

  /** After log rotation: creates a new file at the same path. Keeps the old one if that fails. */
  reopen(): void {
    const old = this.#destination;
    try {
      this.#destination = this.options.open();
      this.#isTorn = false;
      old.close();
    } catch (error) {
      this.#destination = old;
      this.warn(`cannot reopen the log: ${errorText(error)}`);
    }
  }

  #log(level: LogLevel, message: string, fields: LogFields): void {
    if (RANK[level] < RANK[this.#how.level]) return;
    const { clock, descriptors } = this.platform;
    const time = new Date(clock.wallMs()).toISOString();
    const line = this.#format(time, level, message, fields);
    if (!descriptors.isWritable(this.#destination)) return this.#lose(TOO_SLOW);
    try {
      const lost = this.#lost;
      if (lost > 0) {
        const lines = lost === 1 ? "1 log line" : `${lost} log lines`;
        this.#write(this.#format(time, "warn", `${lines} lost: ${this.#why}`, {}));
        this.#lost -= lost;
      }
      this.#write(line);
    } catch (error) {
      // A full disk or a closed pipe must not end the service.
      this.#lose(errorText(error));
    }
  }

  #lose(why: string): void {
    this.#lost++;
    this.#why = why;
  }

  /** A writable pipe or socket has room for one piece; a longer write would wait for its reader. */
  #write(line: string): void {
    const { descriptors } = this.platform;
    const bytes = new TextEncoder().encode(this.#isTorn ? `\n${line}` : line);
    this.#isTorn = false;
    for (let at = 0; at < bytes.length; at += PIPE_BUF) {
      if (at > 0 && !descriptors.isWritable(this.#destination)) {
        this.#isTorn = true;
        return this.#lose(TOO_SLOW);
      }
      descriptors.write(this.#destination, bytes.subarray(at, at + PIPE_BUF));
    }
  }

  #format(time: string, level: LogLevel, message: string, fields: LogFields): string {
    const { name } = this.options;
    const { format } = this.#how;
    if (format === "json") {
      const event = { time, level, name, message, ...fields };
      return JSON.stringify(event, (_, value) => isString(value) ? printable(value) : value) + "\n";
    }
    const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`).join("");
    const line = `${time} baton[${name}] ${level}: ${printable(oneLine(message + pairs))}`;
    return `${this.options.decorate?.(level, line) ?? line}\n`;
  }
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

/** Escapes control characters as JSON does, so that a path or the output of a server cannot forge a log line. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f]/g, (char) => JSON.stringify(char).slice(1, -1));
}
