/** A generation as the supervisor handles it: one of ours (`Running`), or another baton's. */
import type { GenerationTimer } from "../lifecycle/vocabulary.ts";
import type { Tracks } from "../drain/connections.ts";
import type { KeepAliveCounts } from "../migration/keep_alive_counts.ts";
import type { CandidateOutput } from "../output/candidate_output.ts";
import type { CheckView } from "../report/snapshot.ts";

/** What has become of its connections. */
export interface Losses {
  /** Something was owed on them when they ended. */
  readonly cut: number;
  /** They ended while that was not known. */
  readonly undecided: number;
  /** Connections that it has had from the start of its drain on; null: not known here. */
  readonly seen: number | null;
  /** What became of connections that clients kept open. */
  readonly kept: KeepAliveCounts | null;
}

export interface GenerationHandle {
  readonly epoch: number;
  readonly startedAt: Date;
  /** Leading process, null when there is none. */
  readonly pid: number | null;
  /** Crashed generation whose members it may take over. */
  replacementOf: number | null;
  /** It has sent READY=1. */
  readonly notified: boolean;
  readonly losses: Losses;
  /** What was seen of its connections at several looks; null: nothing. */
  readonly tracks: Pick<Tracks, "get"> | null;
  /** It can be given connections (--keep-alive). */
  readonly takesConnections: boolean;
  readonly checks: readonly CheckView[];
  readonly timers: {
    arm(timer: GenerationTimer, delayMs: number): void;
    disarm(timer: GenerationTimer): void;
    /** If it is armed, it fires after this time at the latest. */
    limit(timer: GenerationTimer, delayMs: number): void;
  };
  readonly output: CandidateOutput | null;
  /** What it prints does not come through `output` (any more). */
  readonly outputIsDirect: boolean;
  /** From the stop signal to KILL. @param drainMs what its drain may take */
  stopTimeMs(drainMs: number): number;
  processes(): number[];
  /** Its --live checks are over. */
  stopLiveChecks(): void;
  onStrayReaped(): void;
  /** Its successor is being started: looks at what it has. */
  noteConnections(): void;
  /** @param heir serves now, and is ours; null: another baton's, or nobody */
  beginDrain(stopping: boolean, heir: GenerationHandle | null): void;
  /** It serves again. */
  resumeServing(): void;
  signalStop(): void;
  /** @param isOverdue whom it meets is said */
  kill(isOverdue?: boolean): void;
  forwardSignal(signal: number): void;
  retire(): void;
}
