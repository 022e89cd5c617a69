/**
 * From the gate to serving: at once, or on trial (`baking`). During a trial the generation before stays as it is, and
 * takes all connections back when the new one exits, is unhealthy, or is rolled back by an operator. Pure.
 */
import type { Draft } from "./draft.ts";
import { beginDrain, disarmServing, retireOrphanedWorkers } from "./draining.ts";
import { type Generation, withOutcome } from "./generation.ts";
import { answerReload, noteFailure } from "./reload.ts";
import { isAtOnce, isOpenEnded, type Trial } from "./rollout.ts";
import { roll, rolls, shareOf } from "./rolling.ts";
import { awaitsTakeover, bakingOf, servingOf } from "./state.ts";
import { noteGoodPlan } from "./stop_first.ts";
import type { ServiceEvent } from "./vocabulary.ts";

type TrialRequest = Extract<
  ServiceEvent,
  { kind: "promote_requested" | "rollback_requested" | "share_requested" }
>;
const ALL = 100;

export function passGate(draft: Draft, generation: Generation): void {
  const { epoch } = generation;
  const { rollout } = draft.state.reload;
  const { canary, rampMs } = rollout;
  // The predecessor must stop steering before this generation may get connections.
  if (awaitsTakeover(draft.state)) return draft.emit({ kind: "request_takeover", epoch });
  if (servingOf(draft.state) === null || isAtOnce(rollout)) return promote(draft, generation);
  draft.disarm("ready", epoch);
  const baking: Generation = { ...generation, state: "baking", served: true };
  draft.update(baking);
  if (rolls(draft, baking)) {
    setShare(draft, epoch, { phase: "rolling", percent: shareOf(draft, baking) });
    return roll(draft, baking, baking);
  }
  if (canary === null && rampMs === 0) return bake(draft, baking);
  const percent = canary ?? 0;
  setShare(draft, epoch, { phase: rampMs > 0 ? "ramp" : "canary", percent });
  if (rampMs > 0) draft.emit({ kind: "begin_ramp", epoch, percent, durationMs: rampMs });
}

/** THE POINT OF NO RETURN: `generation` serves, and the one before it drains. */
export function promote(draft: Draft, generation: Generation): void {
  const { epoch } = generation;
  const { orphanedListeners } = draft.state;
  const old = servingOf(draft.state);
  if (generation.state === "baking") endTrial(draft, epoch);
  else draft.disarm("ready", epoch);
  draft.emit({ kind: "switch", epoch, after: old?.epoch ?? orphanedListeners });
  draft.update({ ...generation, state: "serving", served: true });
  draft.arm("health", epoch);
  answerReload(draft, epoch, "ok", null);
  retireOrphanedWorkers(draft);
  draft.set({ served: true, orphanedWorkers: orphanedListeners, orphanedListeners: null });
  if (generation.plan === "files") draft.set({ plan: "files" });
  if (old === null) return;
  noteGoodPlan(draft, old);
  disarmServing(draft, old.epoch);
  draft.set({ aftermathOf: "ok" });
  beginDrain(draft, withOutcome(old, "superseded"), false);
}

export function growShare(draft: Draft, generation: Generation, percent: number): void {
  const { trial } = draft.state;
  if (trial?.phase !== "ramp" || percent <= trial.percent) return;
  if (percent < ALL) return setShare(draft, generation.epoch, { phase: "ramp", percent });
  endTrial(draft, generation.epoch);
  bake(draft, generation);
}

export function decideTrial(draft: Draft, event: TrialRequest): void {
  const generation = bakingOf(draft.state);
  const answer = { kind: "trial_result", request: event.request } as const;
  if (generation === null) {
    const reason = "no generation is on trial";
    return draft.emit({ ...answer, epoch: null, result: "refused", reason });
  }
  const { epoch } = generation;
  const { trial, reload } = draft.state;
  if (event.kind === "share_requested" && trial?.phase === "rolling") {
    const reason = "the share of a rolling reload follows its workers: promote it or roll it back";
    return draft.emit({ ...answer, epoch: null, result: "refused", reason });
  }
  draft.emit({ ...answer, epoch, result: "ok", reason: null });
  if (event.kind === "rollback_requested") return rollBack(draft, generation, "asked for");
  const bakes = trial?.phase !== "bake" && reload.rollout.bakeMs > 0;
  if (event.kind === "promote_requested" && !bakes) return promote(draft, generation);
  endTrial(draft, epoch);
  if (event.kind === "promote_requested" || event.percent >= ALL) return bake(draft, generation);
  setShare(draft, epoch, { phase: "canary", percent: event.percent });
}

/** A step of a rolling reload is complete: all workers that were asked for have come, or gone. */
export function rollOn(draft: Draft, settled: Generation): void {
  const { epoch } = settled;
  const baking = bakingOf(draft.state);
  if (draft.state.trial?.phase !== "rolling" || baking === null) return;
  if (epoch !== baking.epoch) return roll(draft, baking, settled);
  const percent = shareOf(draft, baking);
  if (percent < ALL) {
    setShare(draft, epoch, { phase: "rolling", percent });
    return roll(draft, baking, baking);
  }
  bake(draft, baking);
}

/** The generation before never stopped serving: it gets all new connections again, and this one drains. */
export function rollBack(draft: Draft, generation: Generation, reason: string): void {
  endTrialBadly(draft, generation.epoch, reason);
  beginDrain(draft, withOutcome(generation, "rolled back", reason), false);
}

/** The end of a trial whose generation has no processes any more. */
export function crashOnTrial(draft: Draft, { epoch }: Generation, reason: string): void {
  endTrialBadly(draft, epoch, reason);
  draft.emit({ kind: "retire", epoch });
}

function endTrialBadly(draft: Draft, epoch: number, reason: string): void {
  // First of all: each moment costs a client its connection.
  draft.emit({ kind: "share", epoch, percent: 0 });
  endTrial(draft, epoch);
  draft.emit({ kind: "rolled_back", epoch, reason });
  answerReload(draft, epoch, "failed", `rolled back: ${reason}`);
  noteFailure(draft);
}

/** Ends ramp and bake time; shares stay as they are. */
export function endTrial(draft: Draft, epoch: number): void {
  if (draft.state.trial?.phase === "ramp") draft.emit({ kind: "end_ramp", epoch });
  draft.disarm("bake", epoch);
  draft.set({ trial: null });
}

/** `generation` gets all new connections, and the one before it is kept to take them back. */
function bake(draft: Draft, generation: Generation): void {
  const { bakeMs, hold } = draft.state.reload.rollout;
  if (bakeMs === 0 && !hold) return promote(draft, generation);
  const { epoch } = generation;
  setShare(draft, epoch, { phase: "bake", percent: ALL });
  if (!hold) draft.emit({ kind: "arm_bake", epoch, delayMs: bakeMs });
}

function setShare(draft: Draft, epoch: number, trial: Trial): void {
  draft.set({ trial });
  draft.emit({ kind: "share", epoch, percent: trial.percent });
  // The next step is an operator's: the caller gets its answer now.
  if (isOpenEnded(trial, draft.state.reload.rollout)) answerReload(draft, epoch, "ok", null);
}
