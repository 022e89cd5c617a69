/**
 * Reloads of a server that must not run twice (`--order stop-first`). The candidate waits, without a process, until all
 * that may veto it has been asked; then new connections are held back in queues, the old generation drains and stops,
 * and the candidate starts alone and gets the queues, as the replacement of a crashed generation does. If it fails, the
 * last good plan is started on the same queues. Pure.
 */
import type { Draft } from "./draft.ts";
import { beginDrain, disarmServing, killCandidate, sendStopSignal } from "./draining.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { AT_ONCE } from "./rollout.ts";
import { candidateOf, type ServiceState, servingOf } from "./state.ts";

/** Nothing has vetoed the candidate: the generation that serves makes room for it. */
export function admit(draft: Draft, candidate: Generation): void {
  draft.update({ ...candidate, admitted: true });
  const old = servingOf(draft.state);
  if (old === null) return;
  const { epoch } = old;
  noteGoodPlan(draft, old);
  draft.set({ held: epoch });
  draft.emit({ kind: "hold", epoch, candidate: candidate.epoch });
  disarmServing(draft, epoch);
  beginDrain(draft, withOutcome(old, "superseded"), false);
}

/** Starts the process of an admitted candidate once no other generation is alive. */
export function launchWaiting(draft: Draft): void {
  const candidate = candidateOf(draft.state);
  const { generations, orphanedListeners: replaces } = draft.state;
  if (candidate?.state !== "waiting" || !candidate.admitted || generations.length > 1) return;
  const { epoch, plan, workers } = candidate;
  draft.update({ ...candidate, state: "starting", replaces });
  draft.emit({ kind: "launch", epoch, replaces, plan, workers });
  draft.arm("ready", epoch);
}

/** The generation that made room has exited: its listeners wait for the candidate, with all who queue there. */
export function vacate(draft: Draft, epoch: number): void {
  draft.set({ held: null });
  orphan(draft, epoch);
  draft.emit({ kind: "vacate", epoch });
}

/** The listeners of `epoch`, which has exited, are kept with their queues for its replacement. */
export function orphan(draft: Draft, epoch: number): void {
  const { orphanedWorkers } = draft.state;
  if (orphanedWorkers !== null) {
    draft.emit({ kind: "return_members", epoch: orphanedWorkers, to: epoch });
  }
  draft.set({ orphanedListeners: epoch, orphanedWorkers: null });
}

/** The candidate cannot come: the generation that was to make room serves again, if it has not got its signal. */
export function serveOn(draft: Draft): void {
  const { held, generations } = draft.state;
  const old = generations.find(({ epoch }) => epoch === held);
  if (old?.state !== "draining") return;
  const { epoch } = old;
  draft.set({ held: null });
  draft.disarm("drain", epoch);
  draft.emit({ kind: "steer_back", epoch });
  draft.update({ ...old, state: "serving", outcome: null, reason: null });
  draft.arm("health", epoch);
}

/** A server that must not run twice has data to put in order: its candidate gets the stop signal before KILL. */
export function endCandidate(draft: Draft, candidate: Generation): void {
  const isGentle = draft.state.reload.order === "stop-first" && candidate.state !== "waiting";
  if (!isGentle) return killCandidate(draft, candidate);
  draft.disarm("ready", candidate.epoch);
  sendStopSignal(draft, candidate);
}

/**
 * Starts `candidate` again in the same way, because its end was no fault of its own. @returns false when that is not
 * wanted
 */
export function retry(draft: Draft, { plan }: Generation): boolean {
  if (!isDown(draft)) return false;
  const { reload, next } = draft.state;
  const again = next ?? { ...reload, requests: [], plan };
  const requests = [...reload.requests, ...again.requests];
  draft.set({ reload: { ...reload, requests: [] }, next: { ...again, requests } });
  return true;
}

function isDown({ state }: Draft): boolean {
  return state.served && servingOf(state) === null && state.shutdown === null;
}

/** @returns whether the last good plan is to be started in place of `candidate`, which has failed */
export function canRestore(draft: Draft, { plan }: Generation): boolean {
  const { good, next } = draft.state;
  // A reload that was requested meanwhile comes first.
  return isDown(draft) && plan === "files" && good !== null && next === null;
}

/** Queues a start of the last good plan; the requests of the failed reload are answered when that is decided. */
export function restore(draft: Draft, { epoch }: Generation, reason: string): void {
  draft.emit({ kind: "keep_output", epoch });
  const { reload } = draft.state;
  const { requests, order } = reload;
  draft.notice(`the version before generation ${epoch} is started again`);
  draft.set({
    reload: { ...reload, requests: [] },
    next: { requests, rollout: AT_ONCE, order, plan: "last good", failed: { epoch, reason } },
  });
}

/** In a new baton: a candidate that waits has nothing that could be continued, so its start is queued again. */
export function queueWaiting(service: ServiceState): ServiceState {
  const { generations, reload, next } = service;
  const waiting = generations.find(({ state }) => state === "waiting");
  if (waiting === undefined) return service;
  return {
    ...service,
    generations: generations.filter((generation) => generation !== waiting),
    next: next ?? { ...reload, requests: [], plan: waiting.plan },
  };
}

/** `generation` has served well: what it was started with is what to go back to. */
export function noteGoodPlan(draft: Draft, { epoch, unwell }: Generation): void {
  if (unwell || draft.state.good === epoch) return;
  draft.emit({ kind: "good_plan", epoch });
  draft.set({ good: epoch });
}
