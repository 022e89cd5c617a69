/**
 * Recovers the servers of an old baton that was killed during an upgrade, if they outlive it (--survive, --orphan
 * keep). They become generations of this baton, which drains and stops them like its own; otherwise they would run for
 * good.
 */
import type { RunningGeneration } from "../generation/generation.ts";
import { newGeneration } from "../lifecycle/generation.ts";
import { isRunning } from "../platform/process/proc.ts";
import { answerPendingCalls, resumeWaits } from "./catch_up.ts";
import type { ServiceParts } from "./pack_service.ts";
import type { PredecessorGeneration } from "./predecessor_generation.ts";
import { NamedDescriptors } from "./state/resumption.ts";
import { resumeGeneration } from "./unpack_service.ts";

/** @returns the epochs that were adopted */
export function adoptOrphans(parts: ServiceParts, predecessor: PredecessorGeneration): Set<number> {
  const { context, running } = parts;
  const { recovery } = predecessor.options;
  const survivors = [recovery?.survivor() ?? []].flat();
  const recovered = recovery?.claim();
  const found = recovered?.resumption;
  const kept = found?.kept ?? new NamedDescriptors();
  const adopted: RunningGeneration[] = (found?.state.generations ?? survivors)
    .filter(({ epoch, workers }) =>
      epoch <= predecessor.epoch &&
      workers.some(({ pid, startTime }) => isRunning(pid, startTime))
    )
    .map((record) => resumeGeneration(parts, record, { kept, wasKilled: true }));
  kept.close();
  const epochs = new Set(adopted.map(({ epoch }) => epoch));
  if (adopted.length === 0) {
    recovered?.acknowledge();
    return epochs;
  }
  // Generations that were on their way out already.
  const draining = (found?.state.service.generations ?? []).filter(({ epoch, state }) =>
    epoch !== predecessor.epoch && epochs.has(epoch) &&
    (state === "draining" || state === "stopping")
  );
  if (predecessor.phase === "stopping") running.get(predecessor.epoch)?.signalStop();
  const serving = { ...newGeneration(predecessor.epoch), state: predecessor.phase };
  resumeWaits(parts, [...draining, serving]);
  for (const generation of adopted) generation.catchUp();
  if (found !== undefined) answerPendingCalls(context, adopted, found.state);
  // The old fd store exits on this, so this baton's own must have everything first.
  queueMicrotask(() => recovered?.acknowledge());
  context.dispatch({ kind: "orphans_adopted", draining });
  parts.options.logger.warn("the old baton was killed: continues with its servers", {
    epochs: [...epochs].join(","),
  });
  return epochs;
}
