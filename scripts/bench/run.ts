/** What the benches have in common: their command line, and an end that leaves no process behind. */
import { parseArgs } from "node:util";
import { children, killTree } from "../../test/support/proc.ts";
import type { Terminal } from "../terminal.ts";

export const EXIT_USAGE = 100;
export const EXIT_INTERRUPTED = 130;

/** What of a table is measured, and what becomes of it. */
export interface Choice {
  readonly isQuick: boolean;
  /** Whether a name has one of the words of `--only` in it. */
  readonly isChosen: (name: string) => boolean;
  readonly writesDocs: boolean;
}

/** @returns null: pages would be written from a part of the table */
export function parseChoice(argv: readonly string[], { isQuickWhole = false } = {}): Choice | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      "write-docs": { type: "boolean", default: false },
    },
  });
  const { quick: isQuick, only, "write-docs": writesDocs } = values;
  if (writesDocs && (only !== undefined || isQuick && !isQuickWhole)) return null;
  const words = only?.split(",") ?? [""];
  return { isQuick, isChosen: (name) => words.some((word) => name.includes(word)), writesDocs };
}

/** Ends this process with the status of `main`; a signal ends what it has started, too. @param clean before that */
export async function runBench(
  terminal: Terminal,
  main: (argv: readonly string[]) => Promise<number>,
  clean: () => Promise<void> = () => Promise.resolve(),
): Promise<never> {
  const interrupt = async () => {
    terminal.status("");
    await clean();
    for (const pid of children(Deno.pid)) killTree(pid);
    Deno.exit(EXIT_INTERRUPTED);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, interrupt);
  }
  Deno.exit(await main(Deno.args));
}
