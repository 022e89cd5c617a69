/**
 * Where commands print: results to standard output, everything else to standard error.
 *
 * Never throws: what a command does is done whoever reads of it. A reader that has gone (`| head -1`) has
 * what it wanted; a result that cannot be written for another reason is no success, which `failure` tells.
 */
import { printable } from "../../platform/bytes.ts";
import { SystemCallError } from "../../platform/error.ts";
import { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";

export interface Printer {
  out(line: string): void;
  error(line: string): void;
}

interface TerminalPrinter extends Printer {
  /** Why standard output could not be written; null: it could, or nobody reads it any more. */
  readonly failure: SystemCallError | null;
}

export function terminalPrinter({ libc, descriptors }: Platform): TerminalPrinter {
  let failure: SystemCallError | null = null;
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
      if (error !== null && error.errno !== C.EPIPE) failure ??= error;
    },
    error: (line) => void write(2, line),
    get failure() {
      return failure;
    },
  };
}
