/**
 * How many workers a generation is to have: as configured, or as an operator has asked. Whatever leaves a serving
 * generation with another number (a rolling reload that was rolled back or promoted early) ends in `fillWorkers`. Pure.
 */
import type { Draft } from "./draft.ts";
import type { Generation } from "./generation.ts";
import { MAX_WORKERS } from "./limits.ts";
import { awaitsTakeover, candidateOf, servingOf } from "./state.ts";
import type { ServiceEffect, ServiceEvent } from "./vocabulary.ts";

type ScaleRequest = Extract<ServiceEvent, { kind: "scale_requested" }>;
type WorkerExited = Extract<ServiceEvent, { kind: "worker_exited" }>;
type ScaleResult = Extract<ServiceEffect, { kind: "scale_result" }>;

/** @returns the workers of each generation from now on */
export function wantedWorkers({ state, policy }: Draft): number {
  return state.workers ?? policy.workers;
}

/**
 * Asks for `workers` workers in `generation`: the event `scaled` says when it has them, even if it has them already.
 */
export function scaleTo(draft: Draft, generation: Generation, workers: number): void {
  draft.update({ ...generation, workers });
  draft.emit({ kind: "scale", epoch: generation.epoch, workers });
}

export function requestScale(draft: Draft, { request, workers, relative }: ScaleRequest): void {
  const before = wantedWorkers(draft);
  const after = relative ? before + workers : workers;
  const reason = scaleObstacle(draft, after);
  const serving = servingOf(draft.state);
  if (reason !== null || serving === null) {
    return answer(draft, [request], "refused", reason ?? "nothing serves");
  }
  const { scaling } = draft.state;
  if (after === before && scaling === null) return answer(draft, [request], "ok", null);
  const requests = [...scaling?.requests ?? [], request];
  const from = scaling?.from ?? before;
  draft.set({ workers: after, scaling: { requests, epoch: serving.epoch, from } });
  scaleTo(draft, serving, after);
}

function scaleObstacle(draft: Draft, workers: number): string | null {
  const { state, policy } = draft;
  if (state.shutdown !== null) return "baton is stopping";
  if (workers < 1) return "one worker is the least: 'baton stop' ends the service";
  if (workers > MAX_WORKERS) return `${MAX_WORKERS} workers are the most`;
  if (policy.order === "stop-first" && workers > 1) {
    return "the server must not run twice (--order stop-first)";
  }
  if (state.upgrade !== null || awaitsTakeover(state)) return "an upgrade is under way";
  if (candidateOf(state) !== null || state.next !== null || state.replacing) {
    return state.served
      ? "a reload is under way: scale when it has ended"
      : "the first generation is not ready yet";
  }
  return null;
}

/** `generation` has the number of workers that it was to have: the operator who asked for that gets an answer. */
export function noteScaled(draft: Draft, { epoch }: Generation): void {
  const { scaling } = draft.state;
  if (scaling?.epoch !== epoch) return;
  draft.set({ scaling: null });
  answer(draft, scaling.requests, "ok", null);
}

/** @returns whether an operator waits for `worker`, which has exited: the number is what it was before, then */
export function endFailedScaling(
  draft: Draft,
  generation: Generation,
  { worker, reason }: Pick<WorkerExited, "worker" | "reason">,
): boolean {
  const { scaling } = draft.state;
  if (scaling?.epoch !== generation.epoch || worker < scaling.from) return false;
  draft.set({ scaling: null, workers: scaling.from });
  scaleTo(draft, generation, scaling.from);
  answer(draft, scaling.requests, "failed", reason);
  return true;
}

/** Called after each step: what was asked of a generation that serves no more is up to its successor. */
export function endStaleScaling(draft: Draft): void {
  const { scaling, shutdown } = draft.state;
  const serving = servingOf(draft.state);
  if (scaling === null || serving?.epoch === scaling.epoch) return;
  draft.set({ scaling: null });
  if (shutdown !== null) return answer(draft, scaling.requests, "refused", "baton is stopping");
  const reason = `generation ${scaling.epoch} does not serve any more`;
  if (serving === null) return answer(draft, scaling.requests, "failed", reason);
  answer(draft, scaling.requests, "ok", null);
}

/** Called after each step. */
export function fillWorkers(draft: Draft): void {
  const { state } = draft;
  const serving = servingOf(state);
  if (serving === null || state.upgrade !== null || awaitsTakeover(state)) return;
  // The workers of a rolling reload, and of one that was rolled back, take up the memory.
  const rolling = state.reload.rollout.rolling && candidateOf(state) !== null;
  if (rolling || state.generations.some(({ outcome }) => outcome === "rolled back")) return;
  const wanted = wantedWorkers(draft);
  if (serving.workers !== wanted) scaleTo(draft, serving, wanted);
}

function answer(
  draft: Draft,
  requests: readonly number[],
  result: ScaleResult["result"],
  reason: string | null,
): void {
  draft.emit({ kind: "scale_result", requests, result, workers: wantedWorkers(draft), reason });
}
