/** One generation as it travels to the baton that goes on with it: a record, and named descriptors. */
import type { Fd } from "../platform/fd.ts";
import { filterName, notifyName, outputName } from "../upgrade/resume_state.ts";
import type { GenerationRecord } from "../upgrade/resume_state.ts";
import type { Running } from "./running.ts";

/** @returns null for a generation without processes: there is nothing to go on with */
export function recordOf(running: Running): GenerationRecord | null {
  const { process: server, epoch, heirOf } = running;
  if (server === null || running.hasEnded) return null;
  return {
    ...running.facts,
    epoch,
    heirOf,
    startedAt: running.startedAt.toISOString(),
    pid: server.pid,
    startTime: server.startTime,
    wantsNotification: running.gate.wantsNotification,
    notified: running.notified,
    exitStatus: server.exitStatus,
    hints: running.hints,
  };
}

/** What it needs besides its members. */
export function descriptorsOf(running: Running): [name: string, fd: Fd][] {
  const { process: server, epoch } = running;
  const found: [string, Fd][] = [];
  if (server?.filter) found.push([filterName(epoch), server.filter]);
  if (running.notify !== null && !running.hasEnded) {
    found.push([notifyName(epoch), running.notify.socket]);
  }
  for (const { target, read } of server?.output.ends ?? []) {
    found.push([outputName(epoch, target), read]);
  }
  return found;
}
