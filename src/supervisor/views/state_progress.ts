/** How far a generation is in its state. */
import type { StateProgress } from "../../report/state_progress.ts";
import type { GenerationHandle } from "../../generation/handle.ts";
import type { Generation } from "../../lifecycle/generation.ts";
import type { SupervisorParts } from "../parts.ts";

/** The timer that ends each state. */
const LIMITS = {
  starting: "ready",
  probing: "ready",
  baking: "bake",
  draining: "drain",
  stopping: "stop",
} as const;

/** @param connections that it has now */
export function progressOf(
  { running: all, history, context: { platform: { clock } } }: SupervisorParts,
  { epoch, state }: Generation,
  connections: number,
): StateProgress {
  const running = all.get(epoch);
  const sinceMs = history.timelines.enteredAtMs(epoch);
  const timer = LIMITS[state as keyof typeof LIMITS];
  const dueAtMs = timer === undefined ? null : running?.timers.dueAtMs(timer) ?? null;
  const now = clock.now();
  return {
    stateMs: sinceMs === null ? null : Math.round(now - sinceMs),
    leftMs: dueAtMs === null ? null : Math.max(0, Math.round(dueAtMs - now)),
    drain: drainOf(running, state, connections),
  };
}

function drainOf(
  running: GenerationHandle | undefined,
  state: Generation["state"],
  left: number,
): StateProgress["drain"] {
  const first = running?.losses.seen ?? null;
  if (first === null || (state !== "draining" && state !== "stopping")) return null;
  return { first: Math.max(first, left), left };
}
