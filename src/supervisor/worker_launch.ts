/** What one worker is started with: its NOTIFY_SOCKET, its plan, its members. */
import type { Config } from "../config/config.ts";
import type { RunningGeneration } from "../generation/generation.ts";
import type { Worker } from "../generation/workers/worker.ts";
import type { WorkerLaunch } from "../generation/workers/worker_parts.ts";
import { MAX_WORKERS } from "../lifecycle/limits.ts";
import type { CallRule } from "../platform/process/call_filter.ts";
import { processorCount } from "../platform/processors.ts";
import { launchPlan, lostDescriptors } from "../process/launch_plan.ts";
import type { ServiceParts } from "../succession/pack_service.ts";
import { abstractNotifyName } from "../systemd/notify_path.ts";
import type { SupervisorOptions } from "./options.ts";

/** @returns how many workers a generation begins with */
export function workerCount({ workers }: Pick<Config, "workers">): number {
  return workers === 0 ? Math.min(MAX_WORKERS, processorCount()) : workers;
}

interface LaunchParts extends Pick<ServiceParts, "context" | "goodPlans"> {
  readonly options: Pick<
    SupervisorOptions,
    "notifyPath" | "logger" | "plan" | "inheritor" | "order" | "duplicates"
  >;
}

export function launcherOf(parts: LaunchParts): ServiceParts["launch"] {
  return (generation, worker) => launchOf(parts, generation, worker);
}

function launchOf(
  parts: LaunchParts,
  generation: RunningGeneration,
  worker: Worker,
): WorkerLaunch {
  const { options, goodPlans, context: { migration, platform } } = parts;
  const { config, preset: { line } } = generation.context;
  const { epoch } = generation;
  const { number, adoptTarget } = worker;
  // Since its admission began it may have become the replacement of a crashed generation.
  const { replacementOf } = adoptTarget;
  const path = options.notifyPath(epoch, number);
  const address = line.isElsewhere ? abstractNotifyName(platform, path) : path;
  const { path: notifyPath, notice } = worker.openNotify(address);
  if (notice !== null) options.logger.warn(notice, { epoch });
  const trap = [...socketsToTrap(parts, worker), ...callsToTrap(parts, worker)];
  const plan = launchPlan(
    { ...options.plan, config, trap },
    { epoch, worker: number },
    notifyPath,
    goodPlans.basisOf(epoch),
  );
  for (const hint of lostDescriptors(plan)) generation.onHint(hint);
  const owner = { epoch, worker: number, aside: adoptTarget.isRising };
  const members = options.inheritor.membersFor(owner, replacementOf);
  generation.facts.takesConnections = migration?.isTrappedBy(plan.trap) ?? false;
  return { plan, members };
}

/** The calls by which baton gets duplicates of its sockets. */
function socketsToTrap(
  { options, context: { adopter } }: LaunchParts,
  { epoch, number, adoptTarget: { isRising } }: Worker,
): readonly CallRule[] {
  if (options.duplicates === null) return [];
  // One mode for all workers of a generation: by what was known when it started.
  if (number > 0 || isRising) return adopter.trapFor(epoch, true);
  const rules = adopter.trapFor(epoch);
  const { source } = adopter;
  if (source.isReplacing(epoch)) {
    options.logger.info("its listeners are replaced when it binds them (--duplicates at-bind)", {
      epoch,
    });
  } else if (source.unsuited !== null) {
    options.logger.info(`its sockets are trapped: ${source.unsuited}`, { epoch });
  }
  return rules;
}

/** Rules for accept(2) and the like: for connections that are moved, or given to it when it has passed its gate. */
function callsToTrap(
  { options, context: { migration } }: LaunchParts,
  { gate, adoptTarget }: Worker,
): readonly number[] {
  if (migration === null) return [];
  const toMove = migration.callsToTrap();
  // A server that answers before it is ready must not meet the clients that wait for it.
  if (adoptTarget.replacementOf === null || !gate.wantsMoreThanListening) return toMove;
  const isAlone = options.order.order === "stop-first";
  const toDeliver = isAlone ? migration.acceptCalls : migration.callsToDeliver();
  adoptTarget.queueAtSwitch = toDeliver.length > 0;
  return [...new Set([...toMove, ...toDeliver])];
}
