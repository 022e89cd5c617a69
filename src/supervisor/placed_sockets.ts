/** The sockets of a running service at fixed paths, for the guard that restores them. */
import { RunningGeneration } from "../generation/generation.ts";
import type { HandoffSocket } from "../succession/takeover/handoff_socket.ts";
import type { SupervisorParts } from "./parts.ts";

export function placedSockets({ running }: SupervisorParts, handoff: HandoffSocket | null) {
  const handoffSockets = handoff === null ? [] : [{
    what: "handoff socket",
    path: handoff.path,
    isInPlace: () => handoff.isInPlace,
    restore: () => handoff.replace(),
  }];
  const notifySockets = [...running.values()].flatMap((generation) => {
    if (!(generation instanceof RunningGeneration) || generation.hasExited) return [];
    const { notify, epoch } = generation;
    return notify === null ? [] : {
      what: `NOTIFY_SOCKET of generation ${epoch}`,
      path: notify.path,
      isInPlace: () => notify.isInPlace,
      restore: () => notify.restore(),
    };
  });
  return [...notifySockets, ...handoffSockets];
}
