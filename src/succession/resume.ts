/**
 * From a running service to what the next baton needs of it, and back.
 *
 * Going on starts nothing: the same processes, sockets and queues, with every wait begun anew with its
 * full time. What happened while no baton was there is found out and told to the lifecycle as events.
 */
import type { ResumePayload, Resumption } from "./state/resumption.ts";
import type { RunningContext } from "../generation/context.ts";
import { INITIAL_STATE, type ServiceState, servingOf } from "../lifecycle/service.ts";
import type { Generation } from "../lifecycle/generation.ts";
import { awaitsTakeover } from "../lifecycle/state.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import { C } from "../platform/libc/constants.ts";
import type { Fd } from "../platform/fd.ts";
import { processStat } from "../platform/process/proc.ts";
import { removed } from "../steering/kernel_array.ts";
import {
  CONTROL,
  filterName,
  type GenerationRecord,
  type LaunchContext,
  LOCK,
  memberName,
  notifyName,
  outputName,
  RESUME_VERSION,
  type ResumeState,
} from "./state/resume_state.ts";
import type { NamedDescriptors } from "./state/named_descriptors.ts";
import type { Logger } from "../log/logger.ts";
import type { StateWriter } from "./state/state_writer.ts";
import type { ControlAccess } from "./in_place_upgrade.ts";
import { descriptorsOf, payloadRecordOf, recordOf } from "./generation_record.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { History } from "../report/history.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { ResumedOutput } from "../process/server_process.ts";
import type { Deadlines } from "../generation/deadlines.ts";

const OUTPUT_TARGETS = [1, 2] as const;

/** What a supervisor is made of, as far as it travels. */
interface ResumeSources {
  readonly version: string;
  readonly logger: Logger;
  readonly launchContext: LaunchContext;
  readonly plan: { readonly trap: readonly number[] };
  readonly upgrade: { readonly lock: Fd };
  readonly controlDoor: () => ControlAccess | null;
  readonly stateWriter: () => StateWriter | null;
  readonly notifyPath: (epoch: number) => string;
}

/** A supervisor's parts, as far as they travel. */
export interface ServiceParts {
  readonly options: ResumeSources;
  readonly context: RunningContext;
  readonly running: Map<number, GenerationHandle>;
  readonly history: History;
  readonly deadlines: Deadlines;
}

/** Everything that the next baton needs. Nothing is changed here. */
export function packService(
  parts: ServiceParts,
  service: ServiceState,
  toRecord: (running: RunningGeneration) => GenerationRecord | null = recordOf,
): ResumePayload {
  const { options, context, history } = parts;
  const generations = [...parts.running.values()].filter((handle) =>
    handle instanceof RunningGeneration
  );
  const records = generations.map(toRecord).filter((record) => record !== null);
  const groups = context.listeners.groups;
  const state: ResumeState = {
    version: RESUME_VERSION,
    batonVersion: options.version,
    name: context.config.name,
    incarnation: history.incarnation,
    startedAt: history.startedAt.toISOString(),
    launchContext: options.launchContext,
    traps: options.plan.trap.length > 0,
    // Whoever waits for an upgrade asks the next baton. The numbers of all others mean nothing there.
    service: {
      ...service,
      upgrade: null,
      reload: { ...service.reload, requests: [] },
      next: service.next && { ...service.next, requests: [] },
      // What it has not taken over is another baton's.
      served: service.served && !awaitsTakeover(service),
    },
    history: history.record(),
    generations: records,
    groups: groups.map((group) => ({
      address: group.address,
      members: group.records.map(({ record }) => record),
    })),
    calls: context.journal.calls,
    ephemeral: [...context.adopter.ephemeral],
  };
  const descriptors = new Map<string, Fd>([[LOCK, options.upgrade.lock]]);
  const control = options.controlDoor()?.listener;
  if (control !== undefined) descriptors.set(CONTROL, control);
  for (const { record, fd } of groups.flatMap((group) => group.records)) {
    descriptors.set(memberName(record.inode), fd);
  }
  for (const [name, fd] of generations.flatMap(descriptorsOf)) descriptors.set(name, fd);
  return { state, descriptors };
}

/**
 * The same for an exec in place, with what the process after it must know of the vault.
 * @throws {Error} when a reload waits: the next program could not tell who asked what came of it
 */
export function packPayload(parts: ServiceParts, service: ServiceState): ResumePayload {
  if (service.next !== null) throw new Error("a reload was asked for meanwhile, and goes first");
  const { state, descriptors } = packService(parts, service, payloadRecordOf);
  const more = parts.options.stateWriter()?.store.payload ?? [];
  return { state, descriptors: new Map([...descriptors, ...more]) };
}

/** Puts listeners, generations and memory back. @returns the state to begin with */
export function unpackService(parts: ServiceParts, resumption: Resumption): ServiceState {
  const { options, context, history } = parts;
  const { state, kept } = resumption;
  const wasKilled = resumption.kind === "survived";
  history.resume(state.history, {
    incarnation: state.incarnation + 1,
    startedAt: state.startedAt,
  });
  unpackListeners(context, resumption);
  for (const inode of state.ephemeral) context.adopter.ephemeral.add(inode);
  for (const record of state.generations) {
    const { epoch, heirOf, wantsNotification } = record;
    const running = new RunningGeneration(context, epoch, {
      replacementOf: heirOf,
      wantsNotification,
      admissionSteps: null,
    });
    parts.running.set(epoch, running);
    running.resume({
      record,
      notifyPath: options.notifyPath(epoch),
      notify: kept.take(notifyName(epoch)),
      filter: kept.take(filterName(epoch)),
      outputs: outputsOf(kept, record),
      isForeign: wasKilled || !isChild(record, context.platform.runtime.pid),
    });
    history.started(epoch, running.startedAt);
    history.setPid(epoch, running.pid);
  }
  kept.close();
  // A state of an earlier build has not all of the fields.
  const service = { ...INITIAL_STATE, ...state.service };
  history.afterStep(service);
  context.listeners.servingEpoch = servingOf(service)?.epoch ?? service.orphanedListeners;
  return wasKilled ? withoutStopRequest(service) : service;
}

/** Whether a server is our child: after an exec it is not if the baton before had only gone on with it. */
export function isChild(
  { pid, exitStatus }: Pick<GenerationRecord, "pid" | "exitStatus">,
  own: number,
): boolean {
  // How it ended is known of children only.
  return exitStatus === null ? processStat(pid)?.parent === own : exitStatus.kind !== "unknown";
}

/** Our ends of what a generation prints. */
export function outputsOf(kept: NamedDescriptors, record: GenerationRecord): ResumedOutput[] {
  return OUTPUT_TARGETS.flatMap((target) => {
    const read = kept.take(outputName(record.epoch, target));
    const { base64 = "" } = record.outputInHand?.find((some) => some.target === target) ?? {};
    return read === null ? [] : [{ target, read, inHand: bytesOf(base64) }];
  });
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** Whoever starts baton again wants the service: what was being stopped is drained, and replaced. */
function withoutStopRequest(service: ServiceState): ServiceState {
  return { ...service, shutdown: null };
}

function unpackListeners(context: RunningContext, { state, kept }: Resumption): void {
  const { listeners, platform: { descriptors } } = context;
  for (const { address, members } of state.groups) {
    // All generations may share one socket: each member owns a descriptor of it.
    const taken = new Map<number, Fd>();
    const found = members.map((record) => {
      const shared = taken.get(record.inode);
      const fd = shared ? descriptors.duplicate(shared) : kept.take(memberName(record.inode));
      if (fd !== null) taken.set(record.inode, fd);
      return { record, fd };
    });
    const isListening = ({ fd }: { fd: Fd | null }) =>
      fd !== null && listeners.sockets.option(fd, C.SOL_SOCKET, C.SO_ACCEPTCONN) !== 0;
    // What was written down last is ahead of the kernel by one step at most: a member that does not
    // listen has not joined yet, or has left already.
    const remaining = kernelOrder(found, isListening);
    found.filter((member) => !remaining.includes(member)).forEach(({ fd }) => fd?.close());
    if (remaining.length === 0) continue;
    const group = listeners.obtain(address);
    group.importMembers(remaining.flatMap(({ record, fd }) => fd === null ? [] : [{ record, fd }]));
    group.unshare();
  }
}

/** Members in the order of the kernel's array, without those that are not in it. */
export function kernelOrder<T>(members: readonly T[], isIn: (member: T) => boolean): T[] {
  const model = { members: members.map((_, index) => index) };
  const gone = model.members.filter((index) => !isIn(members[index]!));
  return gone.reduce(removed, model).members.map((index) => members[index]!);
}

/**
 * Tells the lifecycle what happened while nobody was there, and follows servers that are no children of ours. After a
 * crash of the baton before: steers to what serves, and gives up what was on its way.
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
  if (wasKilled && receiver !== null) listeners.switchTo(receiver);
  const reason = "baton was killed while it started";
  for (const { epoch, state: phase } of service.generations) {
    if (!running.has(epoch)) {
      const exit = { status: EXIT_NEW_GENERATION_FAILED, asRequested: false, text: reason };
      dispatch({ kind: "exited", epoch, exit });
    } else if (wasKilled && (phase === "starting" || phase === "probing")) {
      dispatch({ kind: "failed", epoch, reason, status: EXIT_NEW_GENERATION_FAILED });
    }
  }
  const generations = [...running.values()].filter((handle) => handle instanceof RunningGeneration);
  for (const generation of generations) if (generation.server.isForeign) generation.catchUp();
  answerPending(context, generations, state);
  // What has crashed waits for no back-off: there was a pause already.
  dispatch({ kind: "backoff_elapsed" });
}

/** Trapped calls that the baton before had taken, and not answered. */
export function answerPending(
  context: RunningContext,
  generations: readonly RunningGeneration[],
  state: ResumeState,
): void {
  for (const { epoch, id, tid, call, args } of state.calls) {
    const generation = generations.find((candidate) => candidate.epoch === epoch);
    const filter = generation?.server.filter ?? null;
    if (generation === undefined || filter === null) continue;
    const notification = { id: BigInt(id), tid, call, args: args.map(BigInt) };
    if (context.platform.seccomp.isValid(filter, notification.id)) {
      generation.adoptTarget.answer(filter, notification);
    }
  }
}

/** Begins every wait anew that was under way, with its full time. */
export function resumeWaits(
  { running, deadlines }: Pick<ServiceParts, "running" | "deadlines">,
  generations: readonly Generation[],
): void {
  const serving = running.get(generations.find(({ state }) => state === "serving")?.epoch ?? NaN);
  for (const { epoch, state: phase, outcome } of generations) {
    const handle = running.get(epoch);
    if (!(handle instanceof RunningGeneration)) continue;
    if (phase === "serving" || phase === "baking") handle.health.startLiveChecks();
    if (phase === "serving" && !handle.facts.isSettled) deadlines.arm("health", handle);
    if (phase === "draining") {
      handle.beginDrain(outcome === "stopped", serving ?? null);
      deadlines.arm("drain", handle);
    }
    if (phase !== "stopping") continue;
    // What never got its stop signal was being killed.
    if (!handle.facts.stopSent) handle.kill();
    deadlines.arm("stop", handle);
  }
}
