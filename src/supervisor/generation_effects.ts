/** Effects on one generation: its start, its listeners, its drain, its signals and timers. */
import { wrapperNotice } from "../config/servers/command_line.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { UDP_REMEDY } from "../handoff/datagrams/left_datagrams.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import type { EffectHandlers } from "../lifecycle/vocabulary.ts";
import { processName } from "../platform/process/proc.ts";
import { isDatagram } from "../steering/group_address.ts";
import { provideStandbySockets } from "../steering/standby_sockets.ts";
import type { SupervisorParts } from "./parts.ts";
import { stopFirstEffects } from "./stop_first_effects.ts";
import { launchWaiting, startGeneration } from "./start_generation.ts";

export function generationEffects(parts: SupervisorParts) {
  return {
    ...startEffects(parts),
    ...stopFirstEffects(parts),
    ...steeringEffects(parts),
    ...endEffects(parts),
  } satisfies Partial<EffectHandlers>;
}

/** Its start, its workers, its timers. */
function startEffects(parts: SupervisorParts) {
  const { running, context: { listeners } } = parts;
  return {
    spawn: (spawn, state) => {
      if (spawn.replaces !== null) listeners.rememberOrphaned(spawn.replaces);
      startGeneration(parts, spawn, parts.servingIn(state));
    },
    good_plan: ({ epoch }) => parts.goodPlans.markGood(epoch),
    launch: (effect) => {
      if (effect.replaces !== null) listeners.rememberOrphaned(effect.replaces);
      launchWaiting(parts, effect);
    },
    scale: ({ epoch, workers }) => {
      const generation = running.get(epoch);
      if (generation instanceof RunningGeneration) generation.workers.scale(workers);
    },
    replace_crashed: ({ epoch, replaces }) => {
      listeners.rememberOrphaned(replaces);
      const candidate = running.get(epoch);
      if (candidate === undefined) return;
      candidate.replacementOf = replaces;
      if (!(candidate instanceof RunningGeneration)) return;
      for (const { adoptTarget } of candidate.workers.all) adoptTarget.takePassed(replaces);
    },
    replace_worker: ({ epoch, worker }) => {
      const generation = running.get(epoch);
      if (generation instanceof RunningGeneration) generation.workers.replace(worker);
    },
    arm: ({ epoch, timer }) => {
      const generation = running.get(epoch);
      if (generation === undefined || (timer === "drain" && parts.hooks.delaysDrain(epoch))) return;
      parts.deadlines.arm(timer, generation);
    },
    disarm: ({ epoch, timer }) => running.get(epoch)?.timers.disarm(timer),
  } satisfies Partial<EffectHandlers>;
}

/** Which generation gets the new connections, and what follows from a change of that. */
function steeringEffects(parts: SupervisorParts) {
  const { options: { logger }, running, hooks, trials, lateListeners, history } = parts;
  const { context: { listeners, config } } = parts;
  return {
    switch: ({ epoch, after }) => {
      listeners.switchTo(epoch);
      lateListeners.onSwitch(epoch, after);
      trials.onSwitch(epoch);
      if (after !== null) deliverWaiting(parts, epoch, after);
      const { keepsStandbySockets } = parts.options;
      const notices = keepsStandbySockets ? provideStandbySockets(listeners, config.backlog) : [];
      for (const notice of notices) logger.warn(notice);
      logGeneration(parts, epoch, "serves");
      if (after !== null) return;
      warnOfWrapper(parts, epoch);
      warnOfDatagrams(parts, epoch);
    },
    rolled_back: ({ epoch, reason }, state) => {
      history.rolledBack(epoch, reason);
      logger.error(`generation ${epoch} is rolled back: ${reason}`);
      const candidate = running.get(epoch);
      if (candidate) hooks.onRolledBack(candidate, parts.servingIn(state), reason);
    },
    steer_back: ({ epoch }) => {
      listeners.switchTo(epoch);
      listeners.succeed(epoch, null);
      trials.onSwitch(epoch);
      serveAgain(parts, epoch);
    },
    give_up_late: ({ epoch, inTime }) => lateListeners.giveUp(epoch, inTime),
  } satisfies Partial<EffectHandlers>;
}

/** Its drain, its stop signal, KILL, and what it leaves. */
function endEffects(parts: SupervisorParts) {
  const { running, hooks, trials, context: { listeners } } = parts;
  return {
    drain: ({ epoch, stopping }, state) => {
      trials.stopWatching(epoch);
      logGeneration(parts, epoch, "drains");
      drainAfterHook(parts, running.get(epoch), stopping, state);
    },
    drain_rest: ({ epoch, stopping }, state) => {
      const old = running.get(epoch);
      // With a delay by `pre-drain`, the drain begins when that is over.
      if (old instanceof RunningGeneration && !hooks.delaysDrain(epoch)) {
        beginDrain(parts, old, stopping, parts.servingIn(state));
      }
    },
    signal_stop: ({ epoch }) => {
      hooks.cutDelayShort(epoch);
      running.get(epoch)?.signalStop();
    },
    kill: ({ epoch, overdue }) => {
      hooks.cutDelayShort(epoch);
      running.get(epoch)?.kill(overdue);
    },
    retire: ({ epoch }, state) => {
      trials.stopWatching(epoch);
      retire(parts, epoch, state);
    },
    return_members: ({ epoch, to }, state) => {
      listeners.returnMembers(epoch, to);
      retire(parts, epoch, state);
    },
    shorten_drains: ({ byMs }) => parts.deadlines.shortenDrains(byMs),
  } satisfies Partial<EffectHandlers>;
}

function logGeneration({ running, options }: SupervisorParts, epoch: number, what: string): void {
  options.logger.info(`generation ${epoch} ${what}`, { pid: running.get(epoch)?.pid ?? null });
}

/** At the first start: a shell, or another program in front of the server, gets the server's signals. */
function warnOfWrapper({ running, context, options }: SupervisorParts, epoch: number): void {
  const leader = processName(running.get(epoch)?.pid ?? 0);
  const notice = leader === null ? null : wrapperNotice(context.preset.line, leader);
  if (notice !== null) options.logger.warn(notice);
}

/** At the first start: UDP sockets that are not handed over would make the first reload fail. */
function warnOfDatagrams({ running, context, options }: SupervisorParts, epoch: number): void {
  if (options.order.order === "stop-first") return;
  const addresses = context.adopter.leftDatagrams.heldBy(running.get(epoch)?.processes() ?? []);
  if (addresses.length === 0) return;
  const where = addresses.join(", ");
  options.logger.warn(
    `the server is at ${where}, which is not handed over: a reload will fail, because its second ` +
      `copy cannot bind there: ${UDP_REMEDY}`,
  );
}

/**
 * Clients that wait in sockets of `before`, whose processes are gone, get to `epoch`, where that has opened sockets of
 * its own.
 */
function deliverWaiting({ running, context }: SupervisorParts, epoch: number, before: number) {
  const generation = running.get(epoch);
  if (!(generation instanceof RunningGeneration)) return;
  if (!generation.workers.all.some(({ adoptTarget }) => adoptTarget.queueAtSwitch)) return;
  for (const group of context.listeners.groupsOf(before)) {
    if (isDatagram(group) || group.usableMembers(epoch).length === 0) continue;
    for (const { heldUntilRetired } of group.membersOf(before)) {
      context.migration?.waitingClients.deliver(group, heldUntilRetired);
    }
  }
}

/** A generation that drains, and has not got its stop signal, serves again. */
export function serveAgain(parts: SupervisorParts, epoch: number): void {
  const generation = parts.running.get(epoch);
  parts.hooks.cancelDelay(epoch);
  generation?.resumeServing();
  logGeneration(parts, epoch, "serves again");
}

function drainAfterHook(
  parts: SupervisorParts,
  old: GenerationHandle | undefined,
  stopping: boolean,
  state: ServiceState,
): void {
  const serving = parts.servingIn(state);
  const begin = () => beginDrain(parts, old, stopping, serving);
  // Hooks for the predecessor's generation are run by the predecessor.
  if (!(old instanceof RunningGeneration)) return begin();
  const { outcome } = state.generations.find(({ epoch }) => epoch === old.epoch) ?? {};
  const reason = stopping ? "stop" : outcome === "rolled back" ? "rollback" : "reload";
  const occasion = { current: serving, old, reason };
  parts.hooks.beforeDrain(occasion, begin, () => parts.deadlines.arm("drain", old));
}

function beginDrain(
  { context }: SupervisorParts,
  old: GenerationHandle | undefined,
  stopping: boolean,
  serving: GenerationHandle | null,
): void {
  if (stopping) {
    context.listeners.standBy();
    context.front?.leave();
  }
  old?.beginDrain(stopping, serving);
}

function retire(parts: SupervisorParts, epoch: number, state: ServiceState): void {
  const { running, options, context } = parts;
  const generation = running.get(epoch);
  context.listeners.retire(epoch);
  parts.goodPlans.retire(epoch);
  if (generation === undefined) return;
  recordExit(parts, epoch, state);
  generation.retire();
  running.delete(epoch);
  const { cut, undecided } = generation.losses;
  const fields = undecided === 0 ? { cut } : { cut, undecided };
  options.logger.info(`generation ${epoch} exited`, fields);
}

/** Records the end of a generation. Its listeners may be needed for longer (a crash). */
export function recordExit(parts: SupervisorParts, epoch: number, state: ServiceState): void {
  const generation = parts.running.get(epoch);
  if (generation === undefined) return;
  const { outcome = null, pid = null } = parts.history.ended(epoch, generation.losses) ?? {};
  if (!(generation instanceof RunningGeneration) || pid === null) return;
  parts.hooks.onExited({ epoch, pid }, parts.servingIn(state), outcome ?? "ended");
}
