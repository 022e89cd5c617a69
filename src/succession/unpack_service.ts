/**
 * From a recovered state to a running service. Nothing is started: the processes, sockets and queues are the same, and
 * every wait restarts with its full time.
 */
import type { RunningContext } from "../generation/context.ts";
import { RunningGeneration } from "../generation/generation.ts";
import { queueWaiting } from "../lifecycle/stop_first.ts";
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { Fd } from "../platform/fd.ts";
import { processStat } from "../platform/process/proc.ts";
import type { ResumedOutput } from "../process/server_process.ts";
import { type KernelArray, removed } from "../steering/kernel_array.ts";
import { membershipOf } from "../steering/membership.ts";
import type { ServiceParts } from "./pack_service.ts";
import type { GenerationRecord, WorkerRecord } from "./state/resume_state.ts";
import { descriptorName, type NamedDescriptors, type Resumption } from "./state/resumption.ts";

/** @returns the state to begin with */
export function unpackService(parts: ServiceParts, resumption: Resumption): ServiceState {
  const { context, history } = parts;
  const { state, kept } = resumption;
  const wasKilled = resumption.kind === "survived";
  const { incarnation, startedAt } = state;
  history.resume(state.history, { incarnation: incarnation + 1, startedAt });
  unpackListeners(context, resumption);
  for (const helper of state.helpers) context.children.helpers.add(helper);
  for (const inode of state.ephemeral) context.adopter.ephemeral.add(inode);
  for (const record of state.generations) {
    resumeGeneration(parts, record, { kept, wasKilled });
  }
  parts.goodPlans.resume(
    state.plans,
    (epoch, part) => kept.take(descriptorName.plan(epoch, part)),
    (epoch) => parts.running.has(epoch),
  );
  kept.close();
  const service = queueWaiting(state.service);
  history.afterStep(service);
  context.listeners.servingEpoch = servingOf(service)?.epoch ?? service.held ??
    service.orphanedListeners;
  // A user who starts baton again wants the service: what was being stopped is drained and replaced.
  return wasKilled ? { ...service, shutdown: null } : service;
}

/** Continues with a generation's processes, which another baton has started. */
export function resumeGeneration(
  parts: ServiceParts,
  record: GenerationRecord,
  { kept, wasKilled }: { readonly kept: NamedDescriptors; readonly wasKilled: boolean },
): RunningGeneration {
  const { epoch, replaces, wantsNotification, size, workers } = record;
  const { pid: own } = parts.context.platform.runtime;
  const running: RunningGeneration = new RunningGeneration({ ...parts.context }, epoch, {
    replacementOf: replaces,
    wantsNotification,
    admissionSteps: null,
    size,
    launch: (worker) => parts.launch(running, worker),
  });
  parts.running.set(epoch, running);
  running.resume(record);
  for (const each of workers) {
    const name = { epoch, worker: each.number };
    running.workers.resume(each).resume(each, {
      notifyPath: parts.options.notifyPath(epoch, each.number),
      notify: kept.take(descriptorName.notify(name)),
      filter: kept.take(descriptorName.filter(name)),
      outputs: outputsOf(kept, name, each),
      isForeign: wasKilled || !isChild(each, own),
    });
  }
  parts.history.started(epoch, running.startedAt, running.pid);
  return running;
}

/** After an exec a server need not be a child of process `own`: the previous instance may have recovered it. */
export function isChild(
  { pid, exitStatus }: Pick<WorkerRecord, "pid" | "exitStatus">,
  own: number,
): boolean {
  // The exit status is known of children only.
  return exitStatus === null ? processStat(pid)?.parent === own : exitStatus.kind !== "unknown";
}

function outputsOf(
  kept: NamedDescriptors,
  name: { readonly epoch: number; readonly worker: number },
  record: WorkerRecord,
): ResumedOutput[] {
  return ([1, 2] as const).flatMap((target) => {
    const read = kept.take(descriptorName.output(name, target));
    const { base64 = "" } = record.unsentOutput?.find((each) => each.target === target) ?? {};
    return read === null ? [] : [{ target, read, inHand: Uint8Array.fromBase64(base64) }];
  });
}

function unpackListeners(context: RunningContext, { state, kept }: Resumption): void {
  const { listeners, platform: { descriptors } } = context;
  for (const { address, members } of state.groups) {
    // All generations may share one socket: each member owns a descriptor of it.
    const taken = new Map<number, Fd>();
    const found = members.map((record) => {
      const shared = taken.get(record.inode);
      const fd = shared
        ? descriptors.duplicate(shared)
        : kept.take(descriptorName.member(record.inode));
      if (fd !== null) taken.set(record.inode, fd);
      return { record, fd };
    });
    const membership = membershipOf(listeners, address);
    // The record is at most one step ahead of the kernel: such a member has not joined yet or has left.
    const remaining = kernelOrder(found, ({ fd }) => fd !== null && membership.hasJoined(fd));
    found.filter((member) => !remaining.includes(member)).forEach(({ fd }) => fd?.close());
    if (remaining.length === 0) continue;
    const group = listeners.obtain(address);
    group.importMembers(remaining.flatMap(({ record, fd }) => fd === null ? [] : [{ record, fd }]));
    group.unshare();
  }
}

/** Members in the order of the kernel's array, without those that are not in it. */
export function kernelOrder<T>(members: readonly T[], isIn: (member: T) => boolean): T[] {
  const array: KernelArray = members.map((_, index) => index);
  const gone = array.filter((index) => !isIn(members[index]!));
  return gone.reduce((rest, index) => removed(rest, index), array)
    .map((index) => members[index]!);
}
