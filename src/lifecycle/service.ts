/**
 * The service: at most one serving generation, at most one candidate, any number draining (bounded).
 * `step(state, event, policy) -> {state, effects}`; pure: no clock, no process, no I/O.
 *
 * Invariants (checked by a random walk in test/unit/lifecycle):
 * - at most one generation is a candidate (starting, probing or baking), at most one serves;
 * - a serving generation keeps serving until another one has passed its gate, it exits, or a stop is requested:
 *   a failing candidate never touches it;
 * - never more than `maxGenerations` are alive;
 * - each request (reload, upgrade, trial) is answered exactly once;
 * - no generation starts during an upgrade: two batons share the kernel's reuseport groups.
 */
import { backoffElapsed, failCandidate, generationExited, generationUnhealthy } from "./crash.ts";
import { Draft } from "./draft.ts";
import {
  catchUp,
  fallBehind,
  giveUpLate,
  retireOrphanedWorkers,
  sendStopSignal,
} from "./draining.ts";
import { accepts, type Generation } from "./generation.ts";
import { decideTrial, growShare, passGate, promote, takeOver } from "./promotion.ts";
import { requestReload, spawn, startQueued } from "./reload.ts";
import { finishIfEmpty, requestStop } from "./stop.ts";
import type { ServicePolicy, ServiceState } from "./state.ts";
import { abortUpgrade, adoptOrphans, handOver, requestUpgrade, takeBack } from "./upgrade.ts";
import type { ServiceEffect, ServiceEvent } from "./vocabulary.ts";

export { candidateOf, servingOf } from "./state.ts";
export type { ServicePolicy, ServiceState } from "./state.ts";

type GenerationEvent = Extract<ServiceEvent, { epoch: number }>;

interface Step {
  readonly state: ServiceState;
  readonly effects: readonly ServiceEffect[];
}

/** The transition function. */
export function step(state: ServiceState, event: ServiceEvent, policy: ServicePolicy): Step {
  if (state.finished) return { state, effects: [] };
  const draft = new Draft(state, policy);
  if ("epoch" in event) {
    const generation = state.generations.find(({ epoch }) => epoch === event.epoch);
    if (generation === undefined || !accepts(generation.state, event.kind)) {
      return { state, effects: [] };
    }
    onGeneration(draft, generation, event);
  } else {
    onService(draft, event);
  }
  if (!draft.state.finished) {
    if (draft.state.shutdown === null) startQueued(draft);
    else finishIfEmpty(draft);
  }
  return { state: draft.state, effects: draft.effects };
}

function onService(draft: Draft, event: Exclude<ServiceEvent, GenerationEvent>): void {
  switch (event.kind) {
    case "start":
      return draft.state.nextEpoch === 0 ? spawn(draft) : undefined;
    case "reload_requested":
      return requestReload(draft, event.request, event.rollout);
    case "promote_requested":
    case "rollback_requested":
    case "share_requested":
      return decideTrial(draft, event);
    case "stop_requested":
      return requestStop(draft, event.spentMs);
    case "upgrade_requested":
      return requestUpgrade(draft, event.request, event.inPlace);
    case "upgrade_failed":
      return abortUpgrade(draft, event.reason);
    case "handed_over":
      return handOver(draft);
    case "handed_back":
      return takeBack(draft);
    case "orphans_adopted":
      return adoptOrphans(draft, event.draining);
    case "backoff_elapsed":
      return backoffElapsed(draft);
  }
}

function onGeneration(draft: Draft, generation: Generation, event: GenerationEvent): void {
  const { epoch } = generation;
  switch (event.kind) {
    case "listening":
      return draft.update({ ...generation, state: "probing" });
    case "ready":
      return passGate(draft, generation);
    case "takeover_granted":
      return takeOver(draft, generation);
    case "bake_elapsed":
      return promote(draft, generation);
    case "ramped":
      return growShare(draft, generation, event.percent);
    case "unhealthy":
      return generationUnhealthy(draft, generation, event.reason);
    case "failed":
      return failCandidate(draft, generation, event.reason, event.status);
    case "drained":
    // Connections that the signal cuts are counted when it is sent (`ExitReport.cut`).
    case "drain_timed_out":
      return generation.standsIn ? undefined : sendStopSignal(draft, generation);
    case "stop_timed_out":
      draft.update({ ...generation, cut: true });
      return draft.emit({ kind: "kill", epoch, overdue: true });
    case "behind":
      return fallBehind(draft, epoch, event.standIns);
    case "caught_up":
      return catchUp(draft, epoch);
    case "late_timed_out":
      return giveUpLate(draft, epoch);
    case "healthy":
      retireOrphanedWorkers(draft);
      draft.set({ crashes: 0 });
      return draft.state.aftermathOf === "ok" ? draft.set({ aftermathOf: null }) : undefined;
    case "aftermath_timed_out":
      return draft.set({ aftermathOf: null });
    case "exited":
      return generationExited(draft, generation, event.exit);
  }
}
