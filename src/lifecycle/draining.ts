/** How one generation stops serving: drain, stop signal, KILL; and who stands in where its successor is late. Pure. */
import type { Draft } from "./draft.ts";
import type { Generation } from "./generation.ts";

export function beginDrain(draft: Draft, generation: Generation, stopping: boolean): void {
  const { epoch } = generation;
  draft.update({ ...generation, state: "draining" });
  draft.emit({ kind: "drain", epoch, stopping });
  draft.arm("drain", epoch);
}

export function sendStopSignal(draft: Draft, generation: Generation): void {
  const { epoch } = generation;
  draft.update({ ...generation, state: "stopping", standsIn: false });
  draft.disarm("drain", epoch);
  draft.emit({ kind: "signal_stop", epoch });
  draft.arm("stop", epoch);
}

/** Kills a candidate, which has no connection to lose. */
export function killCandidate(draft: Draft, candidate: Generation): void {
  draft.disarm("ready", candidate.epoch);
  draft.update({ ...candidate, state: "stopping" });
  draft.emit({ kind: "kill", epoch: candidate.epoch });
}

/** Disarms what applies to a serving generation only: `epoch` stops serving. */
export function disarmServing(draft: Draft, epoch: number): void {
  draft.disarm("health", epoch);
  if (draft.state.behind === epoch) draft.disarm("late", epoch);
  if (draft.state.aftermathOf === "failed") draft.disarm("aftermath", epoch);
  draft.set({ behind: null, aftermathOf: null });
}

/** The replacement's workers have had time to listen: closes the listeners that none of them took over. */
export function retireOrphanedWorkers(draft: Draft): void {
  const { orphanedWorkers } = draft.state;
  if (orphanedWorkers !== null) draft.emit({ kind: "retire", epoch: orphanedWorkers });
  draft.set({ orphanedWorkers: null });
}

/** `epoch` serves, but lacks some listeners: `standIns` keep serving there, and their drain has no deadline. */
export function fallBehind(draft: Draft, epoch: number, standIns: readonly number[]): void {
  if (draft.state.behind !== epoch) draft.arm("late", epoch);
  draft.set({ behind: epoch });
  for (const generation of draft.state.generations) {
    const isStandIn = generation.state === "draining" && standIns.includes(generation.epoch);
    if (isStandIn) draft.update({ ...generation, standsIn: true });
  }
  releaseStandIns(draft, standIns);
}

export function catchUp(draft: Draft, epoch: number): void {
  if (draft.state.behind !== null) draft.disarm("late", epoch);
  draft.set({ behind: null });
  releaseStandIns(draft);
}

export function giveUpLate(draft: Draft, epoch: number): void {
  draft.set({ behind: null });
  draft.emit({ kind: "give_up_late", epoch, inTime: true });
  releaseStandIns(draft);
}

/** Connections that came to a stand-in since the switch get the same drain time as those that it had then. */
export function releaseStandIns(
  draft: Draft,
  kept: readonly number[] = [],
  stopping = false,
): void {
  for (const generation of draft.state.generations) {
    const { epoch, standsIn, state } = generation;
    if (!standsIn || state !== "draining" || kept.includes(epoch)) continue;
    draft.update({ ...generation, standsIn: false });
    draft.emit({ kind: "drain_rest", epoch, stopping });
    draft.arm("drain", epoch);
  }
}
