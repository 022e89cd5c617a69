/** Reloads: the queue of one, the start of the next candidate, and the answers. Pure. */
import type { Draft } from "./draft.ts";
import { newGeneration } from "./generation.ts";
import type { Order, PlanSource } from "./order.ts";
import { isAtOnce, isOpenEnded, type Rollout } from "./rollout.ts";
import { workersAtStart } from "./rolling.ts";
import { candidateOf, servingOf } from "./state.ts";

/** How a queued start deviates from the configuration. */
interface Start {
  readonly rollout?: Rollout;
  readonly order?: Order;
  readonly plan?: PlanSource;
}

interface Request extends Omit<Start, "plan"> {
  /** Addresses at which no share of the new connections can be given to a candidate. */
  readonly undivided?: readonly string[];
}

export function requestReload(
  draft: Draft,
  request: number,
  { rollout = draft.policy.rollout, order = draft.policy.order, undivided = [] }: Request,
): void {
  const { trial, reload, shutdown, next } = draft.state;
  if (shutdown !== null) return refuse(draft, [request], "baton is stopping");
  if (trial !== null && isOpenEnded(trial, reload.rollout)) {
    return refuse(draft, [request], "a generation is on trial: promote it or roll it back first");
  }
  const obstacle = rolloutObstacle(rollout, order, undivided);
  if (obstacle !== null) return refuse(draft, [request], obstacle);
  // All requests that come while a candidate is on its way share the next one.
  queueReload(draft, [...next?.requests ?? [], request], { rollout, order, plan: "files" });
}

/** @returns why a generation cannot be promoted in this way; null: it can */
function rolloutObstacle(
  rollout: Rollout,
  order: Order,
  undivided: readonly string[],
): string | null {
  const isShared = rollout.canary !== null || rollout.rampMs > 0;
  if (order === "stop-first" && !isAtOnce(rollout)) {
    return "with --order stop-first no generation is left to go back to: --canary, --ramp, --bake, --hold and " +
      "--rolling need --order start-first";
  }
  if (rollout.rolling && isShared) {
    return "--rolling gives the new generation its share as its workers come: use it without --canary and --ramp";
  }
  if ((isShared || rollout.rolling) && undivided.length > 0) {
    return `${
      undivided.join(", ")
    }: one path leads to one generation, and no share of its connections to another: ` +
      "use --bake or --hold in place of --canary, --ramp and --rolling";
  }
  return null;
}

/** Queues the start of a generation; what `start` does not say is that of a queued reload, or as configured. */
export function queueReload(draft: Draft, requests: readonly number[], start: Start = {}): void {
  const { state: { next, plan }, policy: { rollout, order } } = draft;
  const usual = { rollout, order, plan, failed: null };
  draft.set({ next: { ...usual, ...next, ...start, requests } });
}

/** Starts the queued candidate if it may start now; otherwise a later event does. */
export function startQueued(draft: Draft): void {
  const { next, upgrade, orphanedListeners, generations, held } = draft.state;
  if (next === null || held !== null || upgrade !== null || candidateOf(draft.state) !== null) {
    return;
  }
  // A failed replacement returns the crashed generation's listeners when it has exited; the next one needs them.
  const isHeld = generations.some(({ replaces }) => replaces === orphanedListeners);
  if (orphanedListeners !== null && isHeld) return;
  // The last process of a server that must not run twice has to exit first.
  const isOccupied = servingOf(draft.state) === null && generations.length > 0;
  if (next.order === "stop-first" && isOccupied) return;
  if (generations.length >= draft.policy.maxGenerations) return makeRoom(draft);
  draft.set({ reload: next, next: null });
  spawn(draft);
}

export function spawn(draft: Draft): void {
  const { nextEpoch: epoch, orphanedListeners: replaces, generations, reload } = draft.state;
  const { plan, order } = reload;
  const waits = order === "stop-first" && servingOf(draft.state) !== null;
  const workers = workersAtStart(draft);
  const generation = newGeneration(epoch, {
    state: waits ? "waiting" : "starting",
    workers,
    replaces,
    plan,
  });
  draft.set({
    nextEpoch: epoch + 1,
    generations: [...generations, generation],
    replacing: false,
  });
  draft.emit({ kind: "disarm_backoff" });
  draft.emit({ kind: "spawn", epoch, replaces, plan, waits, workers });
  if (!waits) draft.arm("ready", epoch);
}

/** Kills the oldest generation that is on its way out; its exit event starts the candidate. */
function makeRoom(draft: Draft): void {
  const { generations } = draft.state;
  // A generation that never served was killed when it failed.
  const isKilling = generations.some(({ state, cut, served }) =>
    state === "stopping" && (cut || !served)
  );
  const victim = generations.find(({ state }) => state === "draining") ??
    generations.find(({ state }) => state === "stopping");
  if (isKilling || victim === undefined) return;
  draft.disarmAll(victim.epoch);
  draft.update({ ...victim, state: "stopping", cut: true, standsIn: false });
  draft.notice(
    `generation ${victim.epoch} is killed while draining: ` +
      `${draft.policy.maxGenerations} generations are alive (--max-generations)`,
  );
  draft.emit({ kind: "kill", epoch: victim.epoch });
}

/** Answers the requests of the present candidate, unless that is done already. */
export function answerReload(
  draft: Draft,
  epoch: number,
  result: "ok" | "failed",
  reason: string | null,
): void {
  const { reload } = draft.state;
  const { requests, failed } = reload;
  draft.set({ reload: { ...reload, requests: [], failed: null } });
  if (requests.length === 0) return;
  if (failed === null) {
    return draft.emit({ kind: "reload_result", requests, epoch, result, reason });
  }
  // What the requests are about has failed already, and `epoch` was to undo it.
  const verdict = {
    kind: "reload_result",
    requests,
    epoch: failed.epoch,
    result: "failed",
  } as const;
  if (result === "ok") return draft.emit({ ...verdict, reason: failed.reason, restored: epoch });
  const both =
    `${failed.reason}; the version before it, generation ${epoch}, failed too: ${reason}`;
  draft.emit({ ...verdict, reason: both });
}

export function refuseReloads(draft: Draft): void {
  const { reload, next } = draft.state;
  const requests = [...reload.requests, ...next?.requests ?? []];
  draft.set({ reload: { ...reload, requests: [] }, next: null });
  if (requests.length > 0) refuse(draft, requests, "baton is stopping");
}

function refuse(draft: Draft, requests: readonly number[], reason: string): void {
  draft.emit({ kind: "reload_result", requests, epoch: null, result: "refused", reason });
}

/** A candidate failed beside the serving generation, which may have met it: an exit soon after may be its doing. */
export function noteFailure(draft: Draft): void {
  const serving = servingOf(draft.state);
  if (serving === null) return;
  draft.set({ aftermathOf: "failed" });
  draft.arm("aftermath", serving.epoch);
}
