/** What happens to one connection if the old generation gets its stop signal now. Pure. */
import { type ConnectionState, isProven } from "./connection_state.ts";
import type { Sample } from "./sample.ts";

export type MoveDecision =
  /** The connection is at a boundary: the new generation gets it at once. */
  | "move_now"
  /** The connection is idle: the new generation gets it with its next request. */
  | "move_idle"
  /** A request is in progress or may arrive at any moment: hold the stop signal back. */
  | "wait"
  /** The old generation keeps it, and closes it when it stops. */
  | "stay";

/**
 * @param state null: it was never paused
 * @param quietMs part of an answer may be all that was sent so far: it counts as complete after this silence
 * @param isEarly clients that have sent no request since the move began still get time to send one
 */
export function decideMove(
  state: ConnectionState | null,
  sample: Sample | null,
  { quietMs, isEarly }: { quietMs: number; isEarly: boolean },
): MoveDecision {
  if (sample === null) return "wait";
  if (state === null) return sample.activity === "busy" ? "wait" : "stay";
  const { phase, isSingleRequest } = state;
  if (phase === "boundary") return "move_now";
  if (phase === "idle" && isProven(state) && isSingleRequest) {
    return sample.silentMs >= quietMs ? "move_idle" : "wait";
  }
  if (sample.activity === "busy") return "wait";
  return isEarly && phase !== "unmovable" ? "wait" : "stay";
}
