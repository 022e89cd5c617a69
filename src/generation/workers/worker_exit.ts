/** What follows from the exit of one worker. Pure. */
import type { ExitReport } from "../../lifecycle/vocabulary.ts";

interface WorkerExitCircumstances {
  /** The generation has got its stop signal, or KILL, or has failed. */
  readonly isEnding: boolean;
  /** Whether it was to end alone: fewer workers are wanted, or it was unhealthy. */
  readonly wasStopped: boolean;
  /** How many other workers have not exited. */
  readonly others: number;
  /** Its number is one of those that the generation is to have. */
  readonly isWanted: boolean;
}

type WorkerExitDecision =
  /** The generation has exited with it. */
  | "generation exited"
  /** The generation exits when the last of the others has. */
  | "wait"
  /** It leaves nothing behind. */
  | "retire"
  /** Another one with its number is started. */
  | "replace"
  /** The lifecycle decides: a candidate fails, and one that serves gets another worker. */
  | "report";

export function afterWorkerExit(
  { isEnding, wasStopped, others, isWanted }: WorkerExitCircumstances,
): WorkerExitDecision {
  if (others === 0) return "generation exited";
  if (isEnding) return "wait";
  if (!isWanted) return "retire";
  return wasStopped ? "replace" : "report";
}

/** @returns what a whole generation's exit is reported as: the first exit that was not asked for, else the last one */
export function mostTelling(exits: readonly ExitReport[]): ExitReport {
  return exits.find(({ asRequested }) => !asRequested) ?? exits.at(-1)!;
}
