/** The result of the looks at a candidate. */
import { type Findings, NO_FINDINGS } from "../../report/snapshot.ts";

/** What looks at a candidate, and at the generation that serves beside it, have shown. */
export interface Inspected {
  readonly findings: Findings;
  /** It exited with 0 before it was ready, as a copy does that has told the serving generation what to do. */
  readonly isSuspect: boolean;
}

export const NOT_INSPECTED: Inspected = { findings: NO_FINDINGS, isSuspect: false };
