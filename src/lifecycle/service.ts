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
import {
  backoffElapsed,
  failCandidate,
  generationExited,
  generationUnhealthy,
  workerExited,
} from "./crash.ts";
import { Draft } from "./draft.ts";
import {
  catchUp,
  fallBehind,
  giveUpLate,
  retireOrphanedWorkers,
  sendStopSignal,
} from "./draining.ts";
import type { Generation, GenerationState } from "./generation.ts";
import { decideTrial, growShare, passGate, promote, rollOn } from "./promotion.ts";
import { admit, launchWaiting, noteGoodPlan } from "./stop_first.ts";
import { requestReload, spawn, startQueued } from "./reload.ts";
import { endStaleScaling, fillWorkers, noteScaled, requestScale } from "./scaling.ts";
import { finishIfEmpty, requestStop } from "./stop.ts";
import { awaitsTakeover, type ServicePolicy, type ServiceState } from "./state.ts";
import { abortUpgrade, adoptOrphans, handOver, requestUpgrade, takeBack } from "./upgrade.ts";
import type { GenerationEvent, ServiceEvent } from "./vocabulary.ts";

/** The events each state accepts. */
export const ACCEPTS: Readonly<Record<GenerationState, readonly GenerationEvent["kind"][]>> = {
  waiting: ["admitted", "failed", "exited"],
  starting: ["listening", "ready", "takeover_granted", "failed", "worker_exited", "exited"],
  probing: ["ready", "takeover_granted", "failed", "worker_exited", "exited"],
  baking: [
    "ramped",
    "scaled",
    "bake_elapsed",
    "unhealthy",
    "worker_exited",
    "drain_called",
    "exited",
  ],
  serving: [
    "unhealthy",
    "worker_exited",
    "scaled",
    "healthy",
    "behind",
    "caught_up",
    "late_timed_out",
    "aftermath_timed_out",
    "drain_called",
    "exited",
  ],
  draining: ["drain_called", "drained", "drain_timed_out", "exited"],
  stopping: ["drain_called", "stop_timed_out", "exited"],
  exited: [],
};

/** The transition function. */
export function step(
  state: ServiceState,
  event: ServiceEvent,
  policy: ServicePolicy,
): Pick<Draft, "state" | "effects"> {
  const draft = new Draft(state, policy);
  if (state.finished) return draft;
  if ("epoch" in event) {
    const generation = state.generations.find(({ epoch }) => epoch === event.epoch);
    if (generation === undefined || !ACCEPTS[generation.state].includes(event.kind)) return draft;
    const handle: GenerationHandler<never> = ON_GENERATION[event.kind];
    handle(draft, generation, event as never);
  } else {
    const handle: (draft: Draft, event: never) => void = ON_SERVICE[event.kind];
    handle(draft, event as never);
  }
  if (!draft.state.finished) {
    endStaleScaling(draft);
    if (draft.state.shutdown === null) startNext(draft);
    else finishIfEmpty(draft);
  }
  return draft;
}

function startNext(draft: Draft): void {
  launchWaiting(draft);
  startQueued(draft);
  fillWorkers(draft);
}

type EventOf<Kind> = Extract<ServiceEvent, { kind: Kind }>;
type GenerationHandler<Event> = (draft: Draft, generation: Generation, event: Event) => void;

const ON_SERVICE: {
  readonly [K in Exclude<ServiceEvent, GenerationEvent>["kind"]]: (
    draft: Draft,
    event: EventOf<K>,
  ) => void;
} = {
  start: (draft) => draft.state.nextEpoch === 0 ? spawn(draft) : undefined,
  reload_requested: (draft, { request, ...start }) => requestReload(draft, request, start),
  promote_requested: decideTrial,
  rollback_requested: decideTrial,
  share_requested: decideTrial,
  stop_requested: (draft, { spentMs }) => requestStop(draft, spentMs),
  scale_requested: requestScale,
  upgrade_requested: (draft, { request, inPlace }) => requestUpgrade(draft, request, inPlace),
  upgrade_failed: (draft, { reason }) => abortUpgrade(draft, reason),
  handed_over: handOver,
  handed_back: takeBack,
  orphans_adopted: (draft, { draining }) => adoptOrphans(draft, draining),
  backoff_elapsed: backoffElapsed,
};

const ON_GENERATION: {
  readonly [K in GenerationEvent["kind"]]: GenerationHandler<EventOf<K>>;
} = {
  admitted: admit,
  listening: (draft, generation) => draft.update({ ...generation, state: "probing" }),
  ready: passGate,
  takeover_granted: (draft, generation) =>
    awaitsTakeover(draft.state) ? promote(draft, generation) : passGate(draft, generation),
  bake_elapsed: promote,
  ramped: (draft, generation, { percent }) => growShare(draft, generation, percent),
  scaled: (draft, generation, { workers }) => {
    // Another number may have been asked for since.
    if (workers !== generation.workers) return;
    noteScaled(draft, generation);
    rollOn(draft, generation);
  },
  unhealthy: (draft, generation, event) => generationUnhealthy(draft, generation, event),
  failed: failCandidate,
  worker_exited: workerExited,
  // For the record: nothing follows from it.
  drain_called: () => {},
  drained: endDrain,
  // Connections that the signal cuts are counted when it is sent (`ExitReport.cut`).
  drain_timed_out: endDrain,
  stop_timed_out: (draft, generation) => {
    draft.update({ ...generation, cut: true });
    draft.emit({ kind: "kill", epoch: generation.epoch, overdue: true });
  },
  behind: (draft, { epoch }, { standIns }) => fallBehind(draft, epoch, standIns),
  caught_up: (draft, { epoch }) => catchUp(draft, epoch),
  late_timed_out: (draft, { epoch }) => giveUpLate(draft, epoch),
  healthy: (draft, generation) => {
    noteGoodPlan(draft, generation);
    retireOrphanedWorkers(draft);
    draft.set({ crashes: 0 });
    if (draft.state.aftermathOf === "ok") draft.set({ aftermathOf: null });
  },
  aftermath_timed_out: (draft) => draft.set({ aftermathOf: null }),
  exited: (draft, generation, { exit }) => generationExited(draft, generation, exit),
};

function endDrain(draft: Draft, generation: Generation): void {
  if (!generation.standsIn) sendStopSignal(draft, generation);
}
