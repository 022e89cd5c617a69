/**
 * The output of commands: results on standard output, everything else on standard error.
 *
 * Never throws: a command has its effect whether or not its output is read. A closed reader (`| head -1`) is fine; any
 * other error on standard output is in `failure`, and makes the command fail.
 */
import { printable } from "../../platform/bytes.ts";
import { SystemCallError } from "../../platform/error.ts";
import { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";

export interface Printer {
  out(line: string): void;
  error(line: string): void;
  /** Standard output takes nothing more: its reader has closed it, or it has failed. */
  readonly isClosed: boolean;
  /** Why standard output could not be written; null: it could, or its reader has closed it. */
  readonly failure: SystemCallError | null;
}

export function terminalPrinter({ libc, descriptors }: Platform): Printer {
  let failure: SystemCallError | null = null;
  let isClosed = false;
  const write = (descriptor: number, line: string): SystemCallError | null => {
    try {
      const text = new TextEncoder().encode(`${printable(line)}\n`);
      descriptors.writeAll(new Fd(libc, descriptor), text);
      return null;
    } catch (error) {
      if (error instanceof SystemCallError) return error;
      throw error;
    }
  };
  return {
    out: (line) => {
      const error = write(1, line);
      if (error === null) return;
      isClosed = true;
      if (error.errno !== C.EPIPE) failure ??= error;
    },
    error: (line) => void write(2, line),
    get isClosed() {
      return isClosed;
    },
    get failure() {
      return failure;
    },
  };
}
