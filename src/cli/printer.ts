/** Where commands print: results to standard output, everything else to standard error. */
import type { Platform } from "../platform/platform.ts";
import { Fd } from "../platform/fd.ts";

export interface Printer {
  out(line: string): void;
  error(line: string): void;
}

export function terminalPrinter(platform: Platform): Printer {
  const write = (descriptor: number, line: string) => {
    const fd = new Fd(platform.libc, descriptor);
    try {
      platform.descriptors.writeAll(fd, new TextEncoder().encode(`${line}\n`));
    } catch {
      // Nobody reads it (a closed pipe): the exit status still tells.
    }
  };
  return { out: (line) => write(1, line), error: (line) => write(2, line) };
}
