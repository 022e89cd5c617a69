/** The sockets of a running service at fixed paths, for the guard that restores them. */
import type { HandoffSocket } from "../succession/takeover/handoff_socket.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { SupervisorParts } from "./parts.ts";

export interface PlacedSocket {
  readonly what: string;
  readonly path: string;
  /** The socket of this baton, or of its successor, is at `path`. */
  isInPlace(): boolean;
  restore(): void;
}

export function placedSockets(
  { running }: SupervisorParts,
  handoff: HandoffSocket | null,
): PlacedSocket[] {
  const found: PlacedSocket[] = [];
  for (const generation of running.values()) {
    if (!(generation instanceof RunningGeneration) || generation.hasExited) continue;
    const { notify, epoch } = generation;
    if (notify === null) continue;
    found.push({
      what: `NOTIFY_SOCKET of generation ${epoch}`,
      path: notify.path,
      isInPlace: () => notify.isInPlace,
      restore: () => notify.restore(),
    });
  }
  if (handoff === null) return found;
  found.push({
    what: "handoff socket",
    path: handoff.path,
    isInPlace: () => handoff.isInPlace,
    restore: () => handoff.replace(),
  });
  return found;
}
