/** From a running service to what the next baton needs of it: a state, and named descriptors. Changes nothing. */
import { outlivesBaton } from "../config/config.ts";
import type { RunningContext } from "../generation/context.ts";
import type { Deadlines } from "../generation/deadlines.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { awaitsTakeover, type ServiceState, servingOf } from "../lifecycle/state.ts";
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
} from "./state/resume_state.ts";
import { descriptorName, type ResumePayload } from "./state/resumption.ts";
import type { StateWriter } from "./state/state_writer.ts";
import type { HandoverFacts } from "./upgrade/protocol.ts";

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
  /** Path of the NOTIFY_SOCKET of a generation. */
  readonly notifyPath: (epoch: number) => string;
}

export interface ServiceParts {
  readonly options: ResumeSources;
  readonly context: RunningContext;
  readonly running: Map<number, GenerationHandle>;
  readonly history: History;
  readonly deadlines: Deadlines;
  readonly goodPlans: GoodPlans;
}

export function packService(
  parts: ServiceParts,
  service: ServiceState,
  toRecord: (running: RunningGeneration) => GenerationRecord | null = recordOf,
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
      // Until the takeover the generations belong to the other baton.
      served: service.served && !awaitsTakeover(service),
    },
    history: history.record(),
    generations: generations.map(toRecord).filter((record) => record !== null),
    groups: groups.map((group) => ({
      address: group.address,
      members: group.records.map(({ record }) => record),
    })),
    plans: parts.goodPlans.records,
    calls: context.journal.calls,
    helpers: context.children.helpers.records,
    ephemeral: [...context.adopter.ephemeral],
  };
  const descriptors = new Map<string, Fd>([[descriptorName.lock, options.upgrade.lock]]);
  const control = options.controlDoor()?.listener;
  if (control !== undefined) descriptors.set(descriptorName.control, control);
  for (const { record, fd } of groups.flatMap((group) => group.records)) {
    descriptors.set(descriptorName.member(record.inode), fd);
  }
  for (const [name, fd] of generations.flatMap(descriptorsOf)) descriptors.set(name, fd);
  for (const [epoch, part, fd] of parts.goodPlans.descriptors) {
    descriptors.set(descriptorName.plan(epoch, part), fd);
  }
  return { state, descriptors };
}

/**
 * The same for an exec in place, with unsent output and the store's own descriptors.
 * @throws {Error} when a reload is queued: the next program could not answer its client
 */
export function packPayload(parts: ServiceParts, service: ServiceState): ResumePayload {
  if (service.next !== null) throw new Error("a reload was requested meanwhile, and goes first");
  const { state, descriptors } = packService(parts, service, payloadRecordOf);
  const more = parts.options.stateWriter()?.store.payload ?? [];
  return { state, descriptors: new Map([...descriptors, ...more]) };
}

/** @returns null for a generation without processes: nothing of it can be continued */
function recordOf(running: RunningGeneration): GenerationRecord | null {
  const { server, epoch, replacementOf: replaces } = running;
  if (!server.isStarted || running.hasExited) return null;
  return {
    ...running.facts,
    epoch,
    replaces,
    startedAt: running.startedAt.toISOString(),
    pid: server.pid,
    startTime: server.startTime,
    wantsNotification: running.gate.wantsNotification,
    notified: running.notified,
    exitStatus: server.exitStatus,
    hints: running.hints,
  };
}

function payloadRecordOf(running: RunningGeneration): GenerationRecord | null {
  const record = recordOf(running);
  const unsentOutput = running.server.output.openStreams
    .filter(({ inHand }) => inHand.length > 0)
    .map(({ target, inHand }) => ({ target, base64: inHand.toBase64() }));
  return record && { ...record, unsentOutput };
}

function descriptorsOf(running: RunningGeneration): [name: string, fd: Fd][] {
  const { server, epoch } = running;
  const found: [string, Fd][] = [];
  if (server.filter) found.push([descriptorName.filter(epoch), server.filter]);
  if (running.notify !== null && !running.hasExited) {
    found.push([descriptorName.notify(epoch), running.notify.socket]);
  }
  for (const { target, read } of server.output.openStreams) {
    found.push([descriptorName.output(epoch, target), read]);
  }
  return found;
}

/** What another baton learns of this one before it takes over, besides the listeners. */
export function handoverFacts(parts: ServiceParts, state: ServiceState): HandoverFacts {
  const { context, history } = parts;
  const serving = servingOf(state);
  const running = serving ? parts.running.get(serving.epoch) : undefined;
  const leader = running instanceof RunningGeneration ? running.server : null;
  const outlives = leader !== null && leader.isStarted && outlivesBaton(context.config);
  return {
    name: context.config.name,
    batonVersion: parts.options.version,
    epoch: serving?.epoch ?? 0,
    nextEpoch: state.nextEpoch,
    servingPid: running?.pid ?? null,
    survivor: outlives ? { pid: leader.pid, startTime: leader.startTime } : null,
    startedAt: (running?.startedAt ?? new Date(context.platform.clock.wallMs())).toISOString(),
    notified: running?.notified ?? false,
    counters: { ...history.restarts },
  };
}
