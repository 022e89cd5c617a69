/** Upgrades of baton: from the old baton's side, and the takeover from the new one's. Pure. */
import type { Draft } from "./draft.ts";
import { beginDrain, disarmServing, releaseStandIns, retireOrphanedWorkers } from "./draining.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { refuseReloads } from "./reload.ts";
import { awaitsTakeover, candidateOf, type ServiceState, servingOf } from "./state.ts";
import { EXIT_NEW_GENERATION_FAILED } from "./status.ts";

export function requestUpgrade(draft: Draft, request: number, inPlace: boolean): void {
  const reason = upgradeRefusal(draft.state, inPlace);
  if (reason !== null) {
    return draft.emit({ kind: "upgrade_result", requests: [request], result: "refused", reason });
  }
  draft.set({ upgrade: [request] });
  draft.emit({ kind: "begin_upgrade", inPlace });
}

function upgradeRefusal(state: ServiceState, inPlace: boolean): string | null {
  const { shutdown, upgrade, next, replacing, inherited, scaling } = state;
  if (shutdown !== null) return "baton is stopping";
  if (upgrade !== null || awaitsTakeover(state)) return "another upgrade is under way";
  if (candidateOf(state) !== null || next !== null || replacing) {
    return state.served ? "a reload is under way" : "the first generation is not ready yet";
  }
  if (servingOf(state) === null) return "nothing serves";
  if (scaling !== null) return "the number of workers is being changed";
  // The old baton would see this program end, and serve again.
  return inPlace && inherited !== null ? "the old baton still drains" : null;
}

/** The upgrade has failed: the new baton is ended, and this one keeps serving. */
export function abortUpgrade(draft: Draft, reason: string): void {
  const { upgrade: requests } = draft.state;
  if (requests === null) return;
  draft.set({ upgrade: null });
  draft.emit({ kind: "abort_upgrade" });
  draft.emit({ kind: "upgrade_result", requests, result: "failed", reason });
}

/** The new baton serves: drains the generations here; baton exits after the last of them. */
export function handOver(draft: Draft): void {
  const { upgrade: requests } = draft.state;
  if (requests === null) return;
  const serving = servingOf(draft.state);
  const shutdown = { requests: 1, status: 0, handedOver: serving?.epoch ?? null };
  draft.set({ upgrade: null, shutdown });
  draft.emit({ kind: "upgrade_result", requests, result: "ok", reason: null });
  refuseReloads(draft);
  retireOrphanedWorkers(draft);
  releaseStandIns(draft);
  if (serving === null) return;
  disarmServing(draft, serving.epoch);
  beginDrain(draft, withOutcome(serving, "superseded"), false);
}

/** The new baton is gone. A generation that still drains has lost nothing: it serves again. */
export function takeBack(draft: Draft): void {
  const { generations, shutdown } = draft.state;
  const generation = generations.find(({ epoch }) => epoch === shutdown?.handedOver);
  if (generation?.state !== "draining" || shutdown?.requests !== 1) {
    return draft.notice("no baton serves any more: this one was asked to stop, and does");
  }
  const { epoch } = generation;
  draft.set({ shutdown: null });
  draft.update({ ...generation, state: "serving", outcome: null, reason: null });
  draft.disarm("drain", epoch);
  draft.emit({ kind: "take_back", epoch });
  draft.arm("health", epoch);
}

/** The predecessor baton was killed and its servers still run: they belong to this baton now. */
export function adoptOrphans(draft: Draft, draining: readonly Generation[]): void {
  const { generations } = draft.state;
  const known = generations.map(({ epoch }) => epoch);
  const added = draining.filter(({ epoch }) => !known.includes(epoch));
  draft.set({ inherited: null, generations: [...added, ...generations] });
}

/** This baton was asked to stop before it has taken over: the predecessor keeps serving. */
export function abandonTakeover(draft: Draft): void {
  for (const { state, epoch } of draft.state.generations) {
    if (state !== "serving") draft.emit({ kind: "kill", epoch });
  }
  draft.finish(EXIT_NEW_GENERATION_FAILED);
}
