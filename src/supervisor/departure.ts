/** What the end of a generation's leading process means, when others of its tree live on. Pure. */
import type { ExitStatus } from "../platform/processes.ts";
import type { GenerationFacts } from "../upgrade/resume_state.ts";

/** The generation has ended; those left behind must be told to; they are waited for; they serve on. */
export type Departure = "ended" | "tell_others" | "wait" | "to_background";

export interface DepartureCircumstances {
  readonly status: ExitStatus;
  /** Processes of its tree that are alive. */
  readonly lingering: number;
  readonly facts: Readonly<GenerationFacts>;
  readonly stopSignal: number;
  /** It listens somewhere. */
  readonly serves: boolean;
}

export function departure(circumstances: DepartureCircumstances): Departure {
  const { status, lingering, facts, stopSignal, serves } = circumstances;
  if (lingering === 0) return "ended";
  if (facts.stopSent) {
    // A leader without a handler (a shell, npm) has died of the signal and told nobody: tell those
    // it left behind, once. One that ended by itself has told them, and twice may be once too often.
    const diedOfIt = status.kind === "signalled" && status.signal === stopSignal;
    return diedOfIt && !facts.stopTold ? "tell_others" : "wait";
  }
  return status.kind === "exited" && status.code === 0 && serves ? "to_background" : "ended";
}
