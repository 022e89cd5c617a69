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
import { type Paint, paintFor, type Style } from "./color.ts";

export interface Printer {
  /** @param style where that stream is a terminal with color */
  out(line: string, style?: Style | null): void;
  error(line: string, style?: Style | null): void;
  /** Standard output takes nothing more: its reader has closed it, or it has failed. */
  readonly isClosed: boolean;
  /** Why standard output could not be written; null: it could, or its reader has closed it. */
  readonly failure: SystemCallError | null;
}

export function terminalPrinter({ libc, descriptors, terminals, runtime }: Platform): Printer {
  let failure: SystemCallError | null = null;
  let isClosed = false;
  const paints = new Map<number, Paint>();
  const painted = (descriptor: number, line: string, style: Style | null): string => {
    if (style === null) return line;
    const paint = paints.get(descriptor) ??
      paintFor(runtime.env(), terminals.isTerminal(descriptor));
    paints.set(descriptor, paint);
    return paint(style, line);
  };
  const write = (
    descriptor: number,
    line: string,
    style: Style | null,
  ): SystemCallError | null => {
    try {
      const text = new TextEncoder().encode(`${painted(descriptor, printable(line), style)}\n`);
      descriptors.writeAll(new Fd(libc, descriptor), text);
      return null;
    } catch (error) {
      if (error instanceof SystemCallError) return error;
      throw error;
    }
  };
  return {
    out: (line, style = null) => {
      const error = write(1, line, style);
      if (error === null) return;
      isClosed = true;
      if (error.errno !== C.EPIPE) failure ??= error;
    },
    error: (line, style = null) => void write(2, line, style),
    get isClosed() {
      return isClosed;
    },
    get failure() {
      return failure;
    },
  };
}
