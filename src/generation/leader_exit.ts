/** What the end of a generation's leading process means, when others of its tree live on. Pure. */
import type { ExitStatus } from "../platform/process/processes.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";

export type LeaderExit =
  /** Nothing is left, or nothing that the generation's end would wait for. */
  | "ended"
  /** Those left behind get the stop signal; the generation's end waits for them. */
  | "tell_rest"
  /** The same, but its signal did not end the leader, who may have told them: they finish what they are at. */
  | "tell_rest_gently"
  /** They have been told, or killed. */
  | "wait"
  /** They serve on. */
  | "to_background";

export interface LeaderExitCircumstances {
  readonly status: ExitStatus;
  /** Processes of its tree that are alive. */
  readonly lingering: number;
  readonly facts: Readonly<GenerationFacts>;
  readonly stopSignal: number;
  /** One of them has a socket that the generation listens on. */
  readonly serves: boolean;
  /** All were sent KILL. */
  readonly killed: boolean;
}

export function leaderExit(circumstances: LeaderExitCircumstances): LeaderExit {
  const { status, lingering, facts, stopSignal, serves, killed } = circumstances;
  if (lingering === 0) return "ended";
  if (facts.stopTold || killed) return "wait";
  if (facts.stopSent) {
    // A leader without a handler (a shell, npm) has died of the signal without passing it on.
    const diedOfIt = status.kind === "signalled" && status.signal === stopSignal;
    return diedOfIt ? "tell_rest" : "tell_rest_gently";
  }
  return status.kind === "exited" && status.code === 0 && serves ? "to_background" : "ended";
}
