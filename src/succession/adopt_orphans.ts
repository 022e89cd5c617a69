/**
 * What the old baton of an upgrade leaves when it is killed in the middle of it: its servers, if they
 * outlive it (--survive, --orphan keep). They become generations of ours, which serve, drain and end as
 * such; without this nobody would ever stop them.
 */
import type { Resumption } from "./state/resumption.ts";
import { type Generation, newGeneration } from "../lifecycle/generation.ts";
import { isRunning } from "../platform/process/proc.ts";
import { NamedDescriptors } from "./state/named_descriptors.ts";
import { filterName, type GenerationRecord, notifyName } from "./state/resume_state.ts";
import type { PredecessorGeneration } from "./predecessor_generation.ts";
import { answerPending, outputsOf, resumeWaits, type ServiceParts } from "./resume.ts";
import { RunningGeneration } from "../generation/generation.ts";

/** @returns the epochs of those that were adopted */
export function adoptOrphans(parts: ServiceParts, foreign: PredecessorGeneration): Set<number> {
  const { context, running } = parts;
  const { recovery: estate } = foreign.options;
  const survivor = estate?.survivor() ?? null;
  const heritage = estate?.claim() ?? null;
  const found = heritage?.resumption ?? null;
  const survivors = survivor === null ? [] : [survivor];
  const kept = found?.kept ?? new NamedDescriptors();
  const records = (found?.state.generations ?? survivors).filter(({ epoch, pid, startTime }) =>
    epoch <= foreign.epoch && isRunning(pid, startTime)
  );
  const adopted = records.map((record) => adoptServer(parts, record, kept));
  kept.close();
  if (adopted.length === 0) {
    heritage?.acknowledge();
    return new Set();
  }
  const draining = drainingIn(found, adopted.map(({ epoch }) => epoch), foreign.epoch);
  if (foreign.phase === "stopping") running.get(foreign.epoch)?.signalStop();
  const generations = [...draining, { ...newGeneration(foreign.epoch), state: foreign.phase }];
  resumeWaits(parts, generations);
  for (const generation of adopted) generation.catchUp();
  if (found !== null) answerPending(context, adopted, found.state);
  // Told when it is over: the holder may go only when ours has everything.
  queueMicrotask(() => heritage?.acknowledge());
  context.dispatch({ kind: "orphans_adopted", draining });
  const epochs = new Set(adopted.map(({ epoch }) => epoch));
  parts.options.logger.warn("the old baton was killed: goes on with its servers", {
    epochs: [...epochs].join(","),
  });
  return epochs;
}

function adoptServer(
  parts: ServiceParts,
  record: GenerationRecord,
  kept: NamedDescriptors,
): RunningGeneration {
  const { epoch, heirOf, wantsNotification } = record;
  const running = new RunningGeneration(parts.context, epoch, {
    replacementOf: heirOf,
    wantsNotification,
    admissionSteps: null,
  });
  parts.running.set(epoch, running);
  running.resume({
    record,
    notifyPath: parts.options.notifyPath(epoch),
    notify: kept.take(notifyName(epoch)),
    filter: kept.take(filterName(epoch)),
    outputs: outputsOf(kept, record),
    isForeign: true,
  });
  parts.history.started(epoch, running.startedAt);
  parts.history.setPid(epoch, running.pid);
  return running;
}

/** Those before the one that served: on their way out already. */
function drainingIn(
  found: Resumption | null,
  adopted: readonly number[],
  serving: number,
): Generation[] {
  const generations = found?.state.service.generations ?? [];
  return generations.filter(({ epoch, state }) =>
    epoch !== serving && adopted.includes(epoch) && (state === "draining" || state === "stopping")
  );
}
