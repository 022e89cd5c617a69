/** A generation as the supervisor handles it: its own, or another baton's. */
import type { Tracks } from "../drain/connections.ts";
import type { GenerationTimer } from "../lifecycle/vocabulary.ts";
import type { CandidateOutput } from "../output/candidate_output.ts";
import type { ServerProcess } from "../process/server_process.ts";
import type { CheckView } from "../report/snapshot.ts";
import type { Losses } from "../report/timelines.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";
import type { Inspected } from "./candidate/inspection.ts";
import type { RunningContext } from "./context.ts";
import type { GoodbyeSayer } from "./goodbye/farewell.ts";
import type { Timers } from "./timers.ts";

/** What the parts of one generation share. */
export interface SharedParts {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly facts: GenerationFacts;
  /** Possible reasons, shown if it fails. */
  readonly hints: string[];
  readonly workers: () => ServerTree & {
    readonly alive: readonly { readonly goodbye: GoodbyeSayer }[];
  };
  readonly timers: Timers<GenerationTimer>;
}

/** The processes of a generation, or of one worker. */
export interface ServerTree extends Pick<ServerProcess, "processes" | "kill"> {
  /** Id of a leading process; null: there is none. */
  readonly pid: number | null;
  /** Signals the leading processes, each of which is to end. */
  signalStop(signal: number): void;
}

export interface GenerationHandle {
  readonly epoch: number;
  readonly startedAt: Date;
  /** Id of the leading process; null: there is none. */
  readonly pid: number | null;
  /** Crashed generation whose members it may take over. */
  replacementOf: number | null;
  readonly notified: boolean;
  readonly losses: Losses;
  /** What several looks at its connections have shown; null: nothing. */
  readonly tracks: Pick<Tracks, "get"> | null;
  /** What looks at it and at the generation before have found (candidate/inspection.ts). */
  readonly inspected: Inspected;
  /** Whether connections can be moved to it (--keep-alive). */
  readonly takesConnections: boolean;
  readonly checks: readonly CheckView[];
  readonly timers: Pick<Timers<GenerationTimer>, "arm" | "disarm" | "limit" | "dueAtMs">;
  readonly output: CandidateOutput | null;
  /** Whether what it prints does not come through `output`, or no longer does. */
  readonly outputIsDirect: boolean;
  /**
   * How long from its stop signal to KILL.
   * @param drainMs what its drain may take
   */
  stopTimeMs(drainMs: number): number;
  /** @param workers how many workers' processes are wanted; by default those of all */
  processes(workers?: number): number[];
  stopLiveChecks(): void;
  noteSockets(kind: "datagrams" | "connections"): void;
  /** @param successor the generation that serves now; null: another baton's does, or none */
  beginDrain(isShutdown: boolean, successor: GenerationHandle | null): void;
  resumeServing(): void;
  signalStop(): void;
  /** @param isOverdue the killed processes are logged */
  kill(isOverdue?: boolean): void;
  /** Passes `signal` on: at once, or when the generation has passed its gate. */
  forwardSignal(signal: number): void;
  /** Releases what it holds, once its processes have exited. */
  retire(): void;
}
