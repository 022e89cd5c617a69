/** From a running service to what the next baton needs of it: a state, and named descriptors. Changes nothing. */
import type { RunningContext } from "../generation/context.ts";
import type { Deadlines } from "../generation/deadlines.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { Worker } from "../generation/workers/worker.ts";
import type { WorkerLaunch } from "../generation/workers/worker_parts.ts";
import { awaitsTakeover, type ServiceState } from "../lifecycle/state.ts";
import type { Logger } from "../log/logger.ts";
import type { Fd } from "../platform/fd.ts";
import type { GoodPlans } from "../process/good_plan.ts";
import type { History } from "../report/history.ts";
import type { ControlAccess } from "./in_place_upgrade.ts";
import {
  type GenerationRecord,
  type LaunchContext,
  RESUME_VERSION,
  type ResumeState,
  type WorkerRecord,
} from "./state/resume_state.ts";
import { descriptorName, type ResumePayload } from "./state/resumption.ts";
import type { StateWriter } from "./state/state_writer.ts";

/** A supervisor's options, as far as they travel. */
export interface ResumeSources {
  readonly version: string;
  readonly logger: Logger;
  readonly launchContext: LaunchContext;
  readonly duplicates: ResumeState["duplicates"];
  readonly upgrade: { readonly lock: Fd };
  /** The control socket, which is passed to the next baton. */
  readonly controlDoor: () => ControlAccess | null;
  /** With --survive: stores the state that outlives this baton, once it owns the service. */
  readonly stateWriter: () => StateWriter | null;
  /** Descriptors of baton's own that the next baton gets, by name, whatever way it comes. */
  readonly passedOn: ReadonlyMap<string, Fd>;
  /** Path of the NOTIFY_SOCKET of a worker. */
  readonly notifyPath: (epoch: number, worker: number) => string;
}

export interface ServiceParts {
  readonly options: ResumeSources;
  readonly context: RunningContext;
  readonly running: Map<number, GenerationHandle>;
  readonly history: History;
  readonly deadlines: Deadlines;
  readonly goodPlans: GoodPlans;
  /** What one more worker of a generation is started with. */
  readonly launch: (generation: RunningGeneration, worker: Worker) => WorkerLaunch;
}

export function packService(
  parts: ServiceParts,
  service: ServiceState,
  toRecord: (worker: Worker) => WorkerRecord = recordOf,
): ResumePayload {
  const { options, context, history } = parts;
  const generations = [...parts.running.values()].filter((handle) =>
    handle instanceof RunningGeneration
  );
  const groups = context.listeners.groups;
  const state: ResumeState = {
    version: RESUME_VERSION,
    batonVersion: options.version,
    name: context.config.name,
    incarnation: history.incarnation,
    startedAt: history.startedAt.toISOString(),
    launchContext: options.launchContext,
    duplicates: options.duplicates,
    // A client that waits for an upgrade asks the next baton. The numbers of all other requests mean nothing there.
    service: {
      ...service,
      upgrade: null,
      reload: { ...service.reload, requests: [] },
      next: service.next && { ...service.next, requests: [] },
      scaling: service.scaling && { ...service.scaling, requests: [] },
      // Until the takeover the generations belong to the other baton.
      served: service.served && !awaitsTakeover(service),
    },
    history: history.record(),
    generations: generations
      .map((running) => generationRecord(running, toRecord)).filter((record) => record !== null),
    groups: groups.map((group) => ({
      address: group.address,
      members: group.records.map(({ record }) => record),
    })),
    plans: parts.goodPlans.records,
    calls: context.journal.calls,
    helpers: context.children.helpers.records,
    ephemeral: [...context.adopter.ephemeral],
  };
  const descriptors = new Map<string, Fd>([
    [descriptorName.lock, options.upgrade.lock],
    ...options.passedOn,
  ]);
  const control = options.controlDoor()?.listener;
  if (control !== undefined) descriptors.set(descriptorName.control, control);
  for (const { record, fd } of groups.flatMap((group) => group.records)) {
    descriptors.set(descriptorName.member(record.inode), fd);
  }
  const workers = generations.flatMap(({ workers }) => workers.all);
  for (const [name, fd] of workers.flatMap(descriptorsOf)) descriptors.set(name, fd);
  for (const [epoch, part, fd] of parts.goodPlans.descriptors) {
    descriptors.set(descriptorName.plan(epoch, part), fd);
  }
  return { state, descriptors };
}

/**
 * The same for an exec in place, with unsent output, the ports of baton's own, and the store's descriptors.
 * @throws {Error} when a reload is queued: the next program could not answer its client
 */
export function packPayload(parts: ServiceParts, service: ServiceState): ResumePayload {
  if (service.next !== null) throw new Error("a reload was requested meanwhile, and goes first");
  const { state, descriptors } = packService(parts, service, payloadRecordOf);
  const more = parts.options.stateWriter()?.store.payload ?? [];
  const ports = parts.options.controlDoor()?.ports ?? [];
  return { state, descriptors: new Map([...descriptors, ...ports, ...more]) };
}

/** @returns null for a generation without processes: nothing of it can be continued */
function generationRecord(
  { epoch, replacementOf: replaces, workers, ...running }: RunningGeneration,
  toRecord: (worker: Worker) => WorkerRecord,
): GenerationRecord | null {
  if (!workers.isStarted || running.hasExited) return null;
  return {
    ...running.facts,
    epoch,
    replaces,
    startedAt: running.startedAt.toISOString(),
    wantsNotification: running.wantsNotification,
    hints: running.hints,
    size: workers.size,
    workers: workers.alive.map(toRecord),
  };
}

function recordOf({ number, server, facts, gate, restarts, startedAt }: Worker): WorkerRecord {
  return {
    ...facts,
    number,
    startedAt: startedAt.toISOString(),
    restarts,
    pid: server.pid,
    startTime: server.startTime,
    notified: gate.notified,
    exitStatus: server.exitStatus,
  };
}

function payloadRecordOf(worker: Worker): WorkerRecord {
  const unsentOutput = worker.server.output.openStreams
    .filter(({ inHand }) => inHand.length > 0)
    .map(({ target, inHand }) => ({ target, base64: inHand.toBase64() }));
  return { ...recordOf(worker), unsentOutput };
}

function descriptorsOf(
  { server, epoch, number, notify, hasExited }: Worker,
): [name: string, fd: Fd][] {
  const name = { epoch, worker: number };
  const found: [string, Fd][] = [];
  if (server.filter) found.push([descriptorName.filter(name), server.filter]);
  if (notify !== null && !hasExited) found.push([descriptorName.notify(name), notify.socket]);
  for (const { target, read } of server.output.openStreams) {
    found.push([descriptorName.output(name, target), read]);
  }
  return found;
}
