/** What happened while no baton was running is found out here, and becomes events for the lifecycle; waits restart. */
import type { RunningContext } from "../generation/context.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { Generation } from "../lifecycle/generation.ts";
import { removeUnknownNodes } from "../handoff/unix/stale_path.ts";
import { orNull } from "../platform/error.ts";
import { bakingOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import type { ServiceParts } from "./pack_service.ts";
import type { ResumeState } from "./state/resume_state.ts";
import type { Resumption } from "./state/resumption.ts";
import { continueScaling } from "./continue_scaling.ts";
import { resumeHold } from "./resume_hold.ts";
import { unpackService } from "./unpack_service.ts";

/** @returns the state to begin with */
export function resumeService(parts: ServiceParts, resumption: Resumption): ServiceState {
  const service = unpackService(parts, resumption);
  resumeWaits(parts, service.generations);
  const behind = parts.running.get(service.behind ?? NaN);
  if (behind !== undefined) parts.deadlines.arm("late", behind);
  return service;
}

/**
 * Dispatches what the lifecycle has missed, and watches servers that are not children of this process. After a crash of
 * the previous instance it also steers to the serving generation, and gives up one that was starting.
 */
export function catchUp(
  parts: ServiceParts,
  service: ServiceState,
  { kind, state }: Resumption,
): void {
  const { context, running } = parts;
  const { dispatch, listeners } = context;
  const wasKilled = kind === "survived";
  const receiver = servingOf(service)?.epoch ?? service.orphanedListeners;
  resumeHold(context, service);
  if (wasKilled && receiver !== null) listeners.switchTo(receiver);
  if (wasKilled) removeLeftPaths(context, [...running.keys()]);
  const reason = "baton was killed while it started";
  let needed: GenerationHandle | undefined;
  for (const { epoch, state: phase } of service.generations) {
    if (!running.has(epoch)) {
      const exit = {
        status: EXIT_NEW_GENERATION_FAILED,
        asRequested: false,
        text: reason,
        isLost: true,
      } as const;
      dispatch({ kind: "exited", epoch, exit });
    } else if (wasKilled && isNeeded(service, phase)) {
      needed = running.get(epoch);
    } else if (wasKilled && (phase === "starting" || phase === "probing")) {
      const status = EXIT_NEW_GENERATION_FAILED;
      dispatch({ kind: "failed", epoch, reason, status, isLost: true });
    }
  }
  const generations = [...running.values()].filter((handle) => handle instanceof RunningGeneration);
  for (const generation of generations) generation.catchUp();
  answerPendingCalls(context, generations, state);
  const baking = bakingOf(service);
  if (baking !== null) {
    // The trial ends first of all: a rolling reload would start its next worker.
    const reason = "baton was killed during its trial";
    dispatch({ kind: "unhealthy", epoch: baking.epoch, reason });
  }
  continueScaling(parts, service);
  continueGate(parts, needed);
  // A crashed generation does not wait for its back-off: there was a pause already.
  dispatch({ kind: "backoff_elapsed" });
}

/** Removes nodes of Unix sockets that a generation has bound, and of which the killed baton has left no record. */
function removeLeftPaths({ listeners, platform }: RunningContext, alive: readonly number[]): void {
  for (const { path } of listeners.groups) {
    if (path === null || path.address.directory === "") continue;
    orNull(() => removeUnknownNodes(platform.sockets, path, alive));
  }
}

/** Whether the candidate is needed: nothing else serves, and clients wait for it, or are its own already. */
function isNeeded(service: ServiceState, phase: Generation["state"]): boolean {
  return service.served && servingOf(service) === null && service.shutdown === null &&
    (phase === "starting" || phase === "probing");
}

function continueGate(
  { deadlines }: ServiceParts,
  candidate: GenerationHandle | undefined,
): void {
  if (!(candidate instanceof RunningGeneration) || candidate.hasExited) return;
  candidate.resumeGate();
  deadlines.arm("ready", candidate);
}

/** Answers trapped calls that the previous instance had received, and not answered. */
export function answerPendingCalls(
  context: RunningContext,
  generations: readonly RunningGeneration[],
  state: ResumeState,
): void {
  for (const { epoch, worker: number, id, tid, call, args } of state.calls) {
    const generation = generations.find((candidate) => candidate.epoch === epoch);
    const worker = generation?.workers.get(number);
    const filter = worker?.server.filter;
    if (!worker || !filter) continue;
    const notification = { id: BigInt(id), tid, call, args: args.map(BigInt) };
    if (context.platform.seccomp.isValid(filter, notification.id)) {
      worker.adoptTarget.answer(filter, notification);
    }
  }
}

/** Restarts every wait that was running, with its full time. */
export function resumeWaits(
  { running, deadlines }: Pick<ServiceParts, "running" | "deadlines">,
  generations: readonly Generation[],
): void {
  const serving = running.get(generations.find(({ state }) => state === "serving")?.epoch ?? NaN);
  for (const { epoch, state: phase, outcome, served, cut } of generations) {
    const handle = running.get(epoch);
    if (!(handle instanceof RunningGeneration)) continue;
    if (phase === "serving" || phase === "baking") {
      handle.startLiveChecks();
      handle.workers.restore();
    }
    if (phase === "serving" && !handle.isSettled) deadlines.arm("health", handle);
    if (phase === "draining") {
      handle.beginDrain(outcome === "stopped", serving ?? null);
      deadlines.arm("drain", handle);
    }
    if (phase !== "stopping") continue;
    // A generation that never got its stop signal was to get it, or was being killed.
    if (!handle.facts.stopSent && served && !cut) handle.signalStop();
    else if (!handle.facts.stopSent) handle.kill();
    deadlines.arm("stop", handle);
  }
}
