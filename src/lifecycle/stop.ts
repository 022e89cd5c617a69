/** The service's end: a requested stop, its second and third request, and the exit status. Pure. */
import type { Draft } from "./draft.ts";
import {
  beginDrain,
  disarmServing,
  releaseStandIns,
  retireOrphanedWorkers,
  sendStopSignal,
} from "./draining.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { endTrial } from "./promotion.ts";
import { endCandidate } from "./stop_first.ts";
import { refuseReloads } from "./reload.ts";
import { awaitsTakeover } from "./state.ts";
import { EXIT_DRAIN_TIMED_OUT } from "./status.ts";
import { abandonTakeover, abortUpgrade } from "./upgrade.ts";
import type { ExitReport } from "./vocabulary.ts";

const NOT_STOPPING = { requests: 0, status: null, handedOver: null };

export function requestStop(draft: Draft, spentMs = 0): void {
  if (awaitsTakeover(draft.state)) return abandonTakeover(draft);
  if (spentMs > 0) draft.emit({ kind: "shorten_drains", byMs: spentMs });
  const { shutdown, orphanedListeners, behind, held } = draft.state;
  const requests = (shutdown?.requests ?? 0) + 1;
  draft.set({ shutdown: { ...shutdown ?? NOT_STOPPING, requests }, replacing: false });
  abortUpgrade(draft, "baton is stopping");
  if (requests === 1) refuseReloads(draft);
  draft.emit({ kind: "disarm_backoff" });
  if (behind !== null) draft.emit({ kind: "give_up_late", epoch: behind, inTime: false });
  if (requests === 1) releaseStandIns(draft, [], true);
  if (orphanedListeners !== null) draft.emit({ kind: "retire", epoch: orphanedListeners });
  draft.set({ orphanedListeners: null });
  retireOrphanedWorkers(draft);
  if (held !== null) draft.emit({ kind: "release", epoch: held });
  draft.set({ held: null });
  for (const generation of draft.state.generations) stopGeneration(draft, generation, requests);
}

/** No generation can serve any more: stops what is left, and exits with `status`. */
export function endService(draft: Draft, status: number): void {
  const shutdown = draft.state.shutdown ?? NOT_STOPPING;
  draft.set({ shutdown: { ...shutdown, status } });
  requestStop(draft);
}

function stopGeneration(draft: Draft, generation: Generation, requests: number): void {
  const { epoch, state } = generation;
  const stopped = withOutcome(generation, "stopped");
  if (state === "waiting" || state === "starting" || state === "probing") {
    endCandidate(draft, stopped);
  } else if (state === "serving" || state === "baking") {
    disarmServing(draft, epoch);
    if (state === "baking") endTrial(draft, epoch);
    beginDrain(draft, stopped, true);
  } else if (state === "draining" && requests === 2) {
    sendStopSignal(draft, stopped);
  } else if (requests >= 3) {
    draft.disarmAll(epoch);
    draft.update({ ...stopped, state: "stopping", cut: true, standsIn: false });
    draft.emit({ kind: "kill", epoch, overdue: true });
  }
}

/** The first generation that ends badly during a shutdown decides the exit status. */
export function noteExitStatus(draft: Draft, generation: Generation, exit: ExitReport): void {
  const { shutdown } = draft.state;
  if (shutdown === null || shutdown.status !== null) return;
  const status = exitStatusOf(generation, exit);
  if (status !== 0) draft.set({ shutdown: { ...shutdown, status } });
}

function exitStatusOf(generation: Generation, exit: ExitReport): number {
  if ((exit.cut ?? 0) > 0) return EXIT_DRAIN_TIMED_OUT;
  // A candidate that was killed because the service stops says nothing about the service.
  if (generation.outcome !== "stopped" || !generation.served) return 0;
  return generation.cut ? EXIT_DRAIN_TIMED_OUT : exit.asRequested ? 0 : exit.status;
}

/** Exits when the last generation is gone. */
export function finishIfEmpty(draft: Draft): void {
  if (draft.state.generations.length === 0) draft.finish(draft.state.shutdown?.status ?? 0);
}
