/**
 * What follows when a generation exits or is unhealthy. The serving one is replaced by the one on trial, by the one
 * before it if that still drains, or by a new one, with growing delays. Pure.
 */
import { backoffDelay } from "./backoff.ts";
import type { Draft } from "./draft.ts";
import { beginDrain, disarmServing, killCandidate } from "./draining.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { crashOnTrial, promote, rollBack } from "./promotion.ts";
import { answerReload, noteFailure, queueReload } from "./reload.ts";
import {
  canRestore,
  endCandidate,
  noteGoodPlan,
  orphan,
  restore,
  retry,
  serveOn,
  vacate,
} from "./stop_first.ts";
import { endFailedScaling } from "./scaling.ts";
import { endService, noteExitStatus } from "./stop.ts";
import { EXIT_NEW_GENERATION_FAILED } from "./status.ts";
import { awaitsTakeover, bakingOf, candidateOf, type ServiceState, servingOf } from "./state.ts";
import { abortUpgrade } from "./upgrade.ts";
import type { ExitReport, ServiceEvent } from "./vocabulary.ts";

export function generationExited(draft: Draft, generation: Generation, exit: ExitReport): void {
  const { epoch } = generation;
  const { generations, inherited, held } = draft.state;
  draft.disarmAll(epoch);
  // What is left of its process group.
  draft.emit({ kind: "kill", epoch });
  draft.set({
    generations: generations.filter((each) => each.epoch !== epoch),
    inherited: inherited === epoch ? null : inherited,
  });
  if (generation.state === "waiting") serveOn(draft);
  switch (generation.state) {
    case "waiting":
    case "starting":
    case "probing": {
      const reason = `it exited before it was ready: ${exit.text}`;
      // The answer comes before it is retired, because it quotes its last output.
      const { status, isLost } = exit;
      const failure = { reason, status, ...isLost && { isLost } };
      const isQueued = answerFailure(draft, generation, failure);
      retireCandidate(draft, generation);
      return isQueued ? undefined : replaceFailed(draft, exit.status);
    }
    case "baking":
      return crashOnTrial(draft, generation, `it exited: ${exit.text}`);
    case "serving":
      return servingExited(draft, generation, exit);
    default:
      if (epoch === held) return vacate(draft, epoch);
      if (generation.outcome === "failed") retireCandidate(draft, generation);
      else draft.emit({ kind: "retire", epoch });
      noteExitStatus(draft, generation, exit);
  }
}

/** A failed replacement returns the crashed generation's listeners: the next replacement gets them. */
function retireCandidate(draft: Draft, { epoch, replaces }: Generation): void {
  if (replaces === null || replaces !== draft.state.orphanedListeners) {
    return draft.emit({ kind: "retire", epoch });
  }
  draft.emit({ kind: "return_members", epoch, to: replaces });
}

type Failure = Pick<Extract<ServiceEvent, { kind: "failed" }>, "reason" | "status" | "isLost">;

export function failCandidate(draft: Draft, candidate: Generation, failure: Failure): void {
  const { reason } = failure;
  if (candidate.state === "waiting") serveOn(draft);
  endCandidate(draft, withOutcome(candidate, "failed", reason));
  const isQueued = answerFailure(draft, candidate, failure);
  if (!isQueued) replaceFailed(draft, failure.status);
}

/** @returns true where another start was queued, which the answer waits for */
function answerFailure(draft: Draft, candidate: Generation, { reason, isLost }: Failure): boolean {
  const { epoch, plan } = candidate;
  draft.notice(`generation ${epoch} failed: ${reason}`);
  if (isLost && retry(draft, candidate)) return true;
  if (plan === "files") distrustFiles(draft);
  const isRestored = canRestore(draft, candidate);
  if (isRestored) restore(draft, candidate, reason);
  else answerReload(draft, epoch, "failed", reason);
  return isRestored;
}

/**
 * The files have failed: until a reload of them serves, restarts use the plan of the generation that serves, or where
 * none does, the last good one.
 */
function distrustFiles(draft: Draft): void {
  const serving = servingOf(draft.state);
  if (serving !== null) noteGoodPlan(draft, serving);
  if (draft.state.good !== null) draft.set({ plan: "last good" });
}

function replaceFailed(draft: Draft, status: number): void {
  // The predecessor keeps serving as before; its generations are not ours to stop.
  if (awaitsTakeover(draft.state)) return draft.finish(status);
  if (servingOf(draft.state) !== null) return noteFailure(draft);
  const { state: { served, reload }, policy: { onCrash } } = draft;
  if (!served) return endService(draft, status);
  const isEnd = onCrash === "exit" && reload.order === "start-first";
  if (isEnd) return endService(draft, failureStatus(status));
  scheduleRestart(draft, status);
}

/** An outer supervisor restarts the service for it. */
const failureStatus = (status: number) => status === 0 ? EXIT_NEW_GENERATION_FAILED : status;

function servingExited(draft: Draft, generation: Generation, exit: ExitReport): void {
  const { epoch } = generation;
  const isWanted = exit.status === 0 && !isReloading(draft.state);
  if (draft.state.replacing) draft.emit({ kind: "disarm_backoff" });
  draft.set({ behind: null, aftermathOf: null, replacing: false });
  const baking = bakingOf(draft.state);
  if (baking !== null) {
    promoteInstead(draft, baking, `generation ${epoch} exited: ${exit.text}`);
    return draft.emit({ kind: "retire", epoch });
  }
  abortUpgrade(draft, `the serving generation exited meanwhile: ${exit.text}`);
  // A candidate may be why it has ended, and is what follows it.
  const isFollowed = exit.status === 0 && candidateOf(draft.state) !== null;
  const isEnd = draft.policy.onCrash === "exit" && !isFollowed;
  if (isWanted || exit.isFinal || isEnd) {
    draft.notice(`the server exited by itself: ${exit.text}; baton exits too`);
    draft.emit({ kind: "retire", epoch });
    return endService(draft, isWanted || exit.isFinal ? exit.status : failureStatus(exit.status));
  }
  draft.notice(
    exit.status === 0
      ? `generation ${epoch} exited during a reload: ${exit.text}; it is replaced`
      : `generation ${epoch} crashed: ${exit.text}`,
  );
  replaceCrashed(draft, epoch, exit.status);
}

/** Keeps its listeners open: connections that wait in their queues go to the replacement. */
function replaceCrashed(draft: Draft, epoch: number, status: number): void {
  const { reload, next } = draft.state;
  orphan(draft, epoch);
  // The files have crashed twice in a row: where there is a version that served for longer, that is started.
  if (draft.state.crashes > 0 && draft.state.good !== null) draft.set({ plan: "last good" });
  const candidate = candidateOf(draft.state);
  if (candidate === null) return scheduleRestart(draft, status);
  const hasNoMembers = candidate.state === "waiting" ||
    candidate.state === "starting" && !draft.policy.membersAtStart;
  if (hasNoMembers) {
    draft.update({ ...candidate, replaces: epoch });
    return draft.emit({ kind: "replace_crashed", epoch: candidate.epoch, replaces: epoch });
  }
  // It listens on sockets of its own already, and cannot take the waiting connections over: a fresh one of the same
  // version can.
  killCandidate(draft, withOutcome(candidate, "superseded"));
  draft.set({ reload: { ...reload, requests: [] } });
  queueReload(draft, [...reload.requests, ...next?.requests ?? []]);
}

/**
 * During a reload, or shortly after one, an exit with 0 is not the user's wish but an accident, or due to a copy
 * that has met the one before it (a lock, a socket of its own).
 */
function isReloading(state: ServiceState): boolean {
  const { next, replacing, upgrade, aftermathOf, generations } = state;
  if (candidateOf(state) !== null || next !== null) return true;
  if (replacing || upgrade !== null || aftermathOf === "failed") return true;
  const isLeaving = generations.some(({ state, outcome }) =>
    outcome === "superseded" && (state === "draining" || state === "stopping")
  );
  return aftermathOf === "ok" && isLeaving;
}

/** The generation on trial has passed its gate: it is preferred to all others. */
function promoteInstead(draft: Draft, baking: Generation, what: string): void {
  draft.notice(`${what}; ${baking.epoch} is promoted`);
  promote(draft, baking);
}

/** @returns milliseconds before the next start; null: the limit of crashes in a row is reached */
function countCrash(draft: Draft): number | null {
  const crashes = draft.state.crashes + 1;
  draft.set({ crashes });
  return backoffDelay(crashes, draft.policy.backoff);
}

function scheduleRestart(draft: Draft, status: number): void {
  const delayMs = countCrash(draft);
  if (delayMs === null) {
    draft.notice(`giving up after ${draft.state.crashes} crashes in a row (--crash-limit)`);
    return endService(draft, status);
  }
  if (draft.state.next === null) draft.emit({ kind: "arm_backoff", delayMs });
}

export function backoffElapsed(draft: Draft): void {
  const { replacing, shutdown, next } = draft.state;
  const isWanted = servingOf(draft.state) === null || replacing;
  draft.set({ replacing: false });
  if (shutdown !== null || candidateOf(draft.state) !== null || !isWanted) return;
  queueReload(draft, next?.requests ?? []);
}

type Unhealthy = Extract<ServiceEvent, { kind: "unhealthy" }>;

export function generationUnhealthy(
  draft: Draft,
  generation: Generation,
  { reason, deaf, worker }: Pick<Unhealthy, "reason" | "deaf" | "worker">,
): void {
  if (generation.state === "serving") {
    if (worker !== undefined) {
      draft.notice(`worker ${worker} of generation ${generation.epoch} is not healthy: ${reason}`);
      return replaceWorker(draft, generation, worker);
    }
    return replaceUnhealthy(draft, generation, reason, deaf === true);
  }
  if (draft.policy.rollsBackUnhealthy || deaf) return rollBack(draft, generation, reason);
  draft.notice(`generation ${generation.epoch} is not healthy: ${reason}`);
}

type WorkerExited = Extract<ServiceEvent, { kind: "worker_exited" }>;

/** A candidate, or one on trial, fails with each of its workers; one that serves gets another one in its place. */
export function workerExited(
  draft: Draft,
  generation: Generation,
  { worker, reason, status }: Pick<WorkerExited, "worker" | "reason" | "status">,
): void {
  if (generation.state === "serving") {
    if (endFailedScaling(draft, generation, { worker, reason })) return;
    return replaceWorker(draft, generation, worker);
  }
  if (generation.state === "baking") return rollBack(draft, generation, reason);
  failCandidate(draft, generation, {
    reason: `${reason}, before the generation was ready`,
    status,
  });
}

function replaceWorker(draft: Draft, { epoch }: Generation, worker: number): void {
  draft.emit({ kind: "replace_worker", epoch, worker });
}

function replaceUnhealthy(
  draft: Draft,
  generation: Generation,
  reason: string,
  isDeaf: boolean,
): void {
  const { epoch } = generation;
  const what = `generation ${epoch} is not healthy: ${reason}`;
  const { replacing, upgrade, next, shutdown } = draft.state;
  if (shutdown !== null || replacing || upgrade !== null || awaitsTakeover(draft.state)) {
    return draft.notice(what);
  }
  const baking = bakingOf(draft.state);
  if (baking !== null) {
    // It keeps the reason, so that it is not steered back to, should the other one be unhealthy too.
    draft.update(withOutcome(generation, "superseded", reason));
    return promoteInstead(draft, baking, what);
  }
  draft.notice(what);
  draft.update({ ...generation, unwell: true });
  if (isDeaf && draft.state.good !== null) draft.set({ plan: "last good" });
  const warm = warmGeneration(draft.state);
  if (warm !== undefined) return steerBack(draft, generation, warm, reason);
  if (next !== null || candidateOf(draft.state) !== null) return;
  const delayMs = countCrash(draft);
  if (delayMs === null) {
    const { crashes } = draft.state;
    return draft.notice(`not replaced again after ${crashes} times in a row (--crash-limit)`);
  }
  draft.set({ replacing: true });
  draft.emit({ kind: "arm_backoff", delayMs });
}

/** The latest generation that could serve again: healthy when it was replaced, without a stop signal, and not the predecessor's. */
function warmGeneration({ generations, inherited }: ServiceState): Generation | undefined {
  return generations.findLast(({ epoch, state, outcome, reason }) =>
    state === "draining" && outcome === "superseded" && reason === null && epoch !== inherited
  );
}

function steerBack(draft: Draft, bad: Generation, warm: Generation, reason: string): void {
  draft.disarm("drain", warm.epoch);
  draft.emit({ kind: "steer_back", epoch: warm.epoch });
  draft.update({ ...warm, state: "serving", outcome: null, reason: null, standsIn: false });
  draft.arm("health", warm.epoch);
  disarmServing(draft, bad.epoch);
  draft.emit({ kind: "rolled_back", epoch: bad.epoch, reason });
  beginDrain(draft, withOutcome(bad, "rolled back", reason), false);
}
