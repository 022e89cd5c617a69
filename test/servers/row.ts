/**
 * What a row of the compatibility table is: a server, how to install and configure it in the ordinary way, what to ask
 * it, and what becomes of it under baton. docs/servers.md is written from these rows (render.ts), and `make
 * test-servers` runs them (run.ts).
 */
import type { Exchange } from "./exchange.ts";

/** Where a server comes from. Versions of npm and PyPI are pinned; Debian's are those of its release. */
export interface Source {
  /** A package of Debian 12. */
  readonly debian?: string;
  /** "hypercorn==0.17.3": into an environment of its own. */
  readonly pypi?: readonly string[];
  /** "pm2@6.0.8" */
  readonly npm?: readonly string[];
}

/**
 * - works: three reloads under load lose nothing, as the server is configured everywhere
 * - needs: the ordinary configuration is refused, with a reason; with the row's tweak it works
 * - stop-first: two copies must not run at once; baton stops the old one first, and clients wait in the queue
 */
export type Verdict = "works" | "needs" | "stop-first";

/** Where a server is to run. */
export interface Place {
  readonly port: number;
  /** For a control port or the like. */
  readonly secondPort: number;
  /** An empty folder that everyone may enter. */
  readonly dir: string;
  /** With the row's tweak; else the ordinary configuration. */
  readonly isTweaked: boolean;
  /** A file in `dir`, with this text; its path. */
  write(name: string, text: string): string;
  /** An executable of a row from npm or PyPI; of any other row, one in PATH. */
  program(name: string): string;
}

export interface Placed {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Options of `baton run`. */
  readonly flags?: readonly string[];
  readonly pidFile?: string;
  /** An HTTP server that says hello is to run at `secondPort`. */
  readonly hasBackend?: boolean;
}

export interface ServerRow {
  /** As in the table's first column: unique. */
  readonly name: string;
  readonly source: Source;
  /** The program without which the server is not installed. With a slash it is a path. */
  readonly program: string;
  /** Prints the version, on either stream. */
  readonly version: readonly string[];
  /** What these rows were last seen with. */
  readonly tried: string;
  readonly verdict: Verdict;
  place(at: Place): Placed;
  readonly exchange: Exchange;
  /** With "needs": what the refusal of a second copy must say. */
  readonly refusal?: RegExp;
  /** What to change, for the table: with "needs" so that it works, with "stop-first" so that it need not be. */
  readonly tweak?: string;
  /** For the table: what a reload cannot keep, whatever baton does. */
  readonly lost?: string;
  /** For the table. */
  readonly note?: string;
  /**
   * What is in its own pid file after three reloads without baton's help (`--server-pidfile none`): it names the serving
   * process, or the old generation has removed it. With baton's help it is kept. "-" without one. @default "-"
   */
  readonly pidFile?: "kept" | "gone" | "-";
  /** Where the server itself limits them. @default 4 */
  readonly clients?: number;
  /** Data that must outlive each reload: stored before it, and asked for after the last. */
  readonly data?: { store(n: number): Exchange; recall(n: number): Exchange };
  /** Whether it runs as root only. */
  readonly needsRoot?: boolean;
  /** Whether `make test` runs it. */
  readonly isInGate?: boolean;
}
