/**
 * A section of `make bench`: what it measures in one go, on the baton that `test/support/baton.ts` starts. It prints its
 * own table, and returns the figures that have a row in `rows.ts`.
 */
import type { ServerId } from "../../test/support/servers.ts";
import type { FigureName } from "./rows.ts";

export type Figures = { readonly [Name in FigureName]?: number | undefined };

/** How much is measured: everything, or less of it (`--quick`). */
export interface BenchPlan {
  readonly rounds: number;
  readonly seconds: number;
  readonly runs: number;
  /** Since the supervisor's start, so that whatever a start brings with it is over. */
  readonly idleAfterMs: number;
  readonly idleForMs: number;
}

export interface Bench {
  readonly plan: BenchPlan;
  /** Progress, on a terminal. */
  status(text: string): void;
  table(rows: readonly (readonly string[])[]): void;
  /** Whether the server can run here; else that is listed at the end. */
  available(id: ServerId): boolean;
  /** To be listed at the end. */
  skip(reason: string): void;
}

export interface Measured {
  readonly figures: Figures;
  /** For dist/bench.json. */
  readonly details: unknown;
}

export interface Section {
  readonly name: string;
  /** Whether it says something about one build: `--beside` measures it for the other one, too. */
  readonly isOfBuild: boolean;
  measure(bench: Bench): Promise<Measured | null>;
}
