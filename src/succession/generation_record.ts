/** One generation as it travels to the baton that goes on with it: a record, and named descriptors. */
import type { Fd } from "../platform/fd.ts";
import {
  filterName,
  type GenerationRecord,
  notifyName,
  type OutputInHand,
  outputName,
} from "./state/resume_state.ts";
import type { RunningGeneration } from "../generation/generation.ts";

/** @returns null for a generation without processes: there is nothing to go on with */
export function recordOf(running: RunningGeneration): GenerationRecord | null {
  const { server: server, epoch, replacementOf: heirOf } = running;
  if (!server.isStarted || running.hasExited) return null;
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

/** What of its output this baton has read and not passed on. */
function outputInHand(running: RunningGeneration): OutputInHand[] {
  return running.server.output.openStreams.flatMap(({ target, inHand }) =>
    inHand.length === 0 ? [] : [{ target, base64: toBase64(inHand) }]
  );
}

/** The same as `recordOf`, for the program that this process becomes in this moment. */
export function payloadRecordOf(running: RunningGeneration): GenerationRecord | null {
  const record = recordOf(running);
  return record && { ...record, outputInHand: outputInHand(running) };
}

/** What it needs besides its members. */
export function descriptorsOf(running: RunningGeneration): [name: string, fd: Fd][] {
  const { server: server, epoch } = running;
  const found: [string, Fd][] = [];
  if (server.filter) found.push([filterName(epoch), server.filter]);
  if (running.notify !== null && !running.hasExited) {
    found.push([notifyName(epoch), running.notify.socket]);
  }
  for (const { target, read } of server.output.openStreams) {
    found.push([outputName(epoch, target), read]);
  }
  return found;
}

function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
