/** What a baton that was killed has left with its holder, as the next baton of that name finds it. */
import type { Resumption } from "./resumption.ts";
import { readFileSync, statSync } from "node:fs";
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Message } from "../../platform/network/passed_descriptors.ts";
import type { Platform } from "../../platform/platform.ts";
import { processStat } from "../../platform/process/proc.ts";
import {
  decodeMessage,
  encodeMessage,
  type FdStoreReply,
  type FdStoreRequest,
  HOLD_MESSAGE_LIMIT,
} from "./fd_store_protocol.ts";
import { abstractNameOf } from "./fd_store_server.ts";
import { NamedDescriptors } from "./named_descriptors.ts";
import { type GenerationRecord, parseResumeState, RESUME_LIMIT } from "./resume_state.ts";

/** The holder accepts when its baton has ended, which it has: we have the lock on its name. */
const HOLDER_TIMEOUT_MS = 10_000;
/** For a process that was killed. */
const END_TIMEOUT_MS = 5_000;
const NO_LISTENER: readonly number[] = [C.ENOENT, C.ECONNREFUSED];
/** The connection was made to a holder that ended before it gave: there may be another. */
const MOST_TRIES = 5;

/** The holder's descriptors and state; `taken` tells it that it is not needed any more. */
export interface RecoveredState {
  readonly resumption: Resumption;
  acknowledge(): void;
}

/** @returns null when nothing was left. @throws {Error} when it cannot be understood */
export function claimRecoveredState(platform: Platform, path: string): RecoveredState | null {
  for (let i = 0; i < MOST_TRIES; i++) {
    const socket = connectToFdStore(platform, path);
    if (socket === null) return null;
    const found = receiveAll(platform, socket);
    if (found !== null) return found;
    socket.close();
  }
  throw new Error(`Cannot go on with what the baton before has left: nobody at ${path} gives it`);
}

/** What the service manager has kept of a baton that was killed: the same, without anybody to be told. */
export function storedState(fds: ReadonlyMap<string, Fd>, state: string): RecoveredState {
  const resumption: Resumption = {
    kind: "survived",
    state: parseResumeState(state),
    kept: new NamedDescriptors(fds),
    listensNow: () => {},
  };
  return { resumption, acknowledge: () => {} };
}

/** What can be gone on with: nothing of a service whose first generation was still on its way. */
export function usableResumption(
  platform: Platform,
  recoveredStateFrom: RecoveredState | null,
): Resumption | null {
  if (recoveredStateFrom === null) return null;
  const { resumption } = recoveredStateFrom;
  if (resumption.state.service.served) return resumption;
  endServers(platform, resumption.state.generations);
  resumption.kept.close();
  return null;
}

/** Kills servers that nobody can go on with, and waits until they have ended. */
function endServers(platform: Platform, generations: readonly GenerationRecord[]): void {
  for (const { pid, startTime } of generations) {
    if (processStat(pid)?.startTime !== startTime) continue;
    using pidfd = platform.processes.openPidfd(pid);
    platform.processes.signal(-pid, C.SIGKILL);
    platform.processes.signal(pid, C.SIGKILL);
    platform.descriptors.waitReadable([pidfd], END_TIMEOUT_MS);
  }
}

/** @returns null when nobody holds there */
export function connectToFdStore(platform: Platform, path: string): Fd | null {
  const owner = statSync(path, { throwIfNoEntry: false })?.uid;
  if (owner === undefined) return connectToAbstractName(platform, path);
  if (!platform.processes.trustsUser(owner)) {
    throw new Error(`Cannot go on with what is at ${path}: it belongs to user ${owner}`);
  }
  return connectAt(platform, path) ?? connectToAbstractName(platform, path);
}

/** The path was removed while there was no baton to notice: the holder has another address. */
function connectToAbstractName(platform: Platform, path: string): Fd | null {
  const socket = connectAt(platform, abstractNameOf(path));
  if (socket === null) return null;
  const { uid } = platform.sockets.peerCredentials(socket);
  if (platform.processes.trustsUser(uid)) return socket;
  socket.close();
  return null;
}

function connectAt(platform: Platform, path: string): Fd | null {
  // A queue that is full is an error, and not a reason to wait.
  const socket = platform.sockets.packets({ nonblocking: true });
  try {
    platform.sockets.connectUnix(socket, path);
    platform.descriptors.setBlocking(socket);
    platform.sockets.setTimeouts(socket, HOLDER_TIMEOUT_MS);
    return socket;
  } catch (error) {
    socket.close();
    if (error instanceof SystemCallError && NO_LISTENER.includes(error.errno)) return null;
    throw error;
  }
}

/** @returns null when the connection ended before everything was there */
export function receiveAll(platform: Platform, socket: Fd): RecoveredState | null {
  const items: [string, Fd][] = [];
  for (;;) {
    const message = receive(platform, socket);
    const content = message === null ? null : decodeMessage<FdStoreReply>(message.data);
    if (message === null || content === null) {
      items.forEach(([, fd]) => fd.close());
      return null;
    }
    if (content.kind === "items") {
      content.names.forEach((name, i) => {
        const fd = message.fds[i];
        if (fd !== undefined) items.push([name, fd]);
      });
    } else if (content.kind === "state") {
      const [memory] = message.fds;
      if (memory === undefined) {
        items.forEach(([, fd]) => fd.close());
        return null;
      }
      return heritage(platform, socket, new NamedDescriptors(items), memory);
    }
  }
}

/** @returns null for the end of the connection, however it came */
function receive(platform: Platform, socket: Fd): Message | null {
  try {
    return platform.descriptors.receive(socket, HOLD_MESSAGE_LIMIT);
  } catch {
    return null;
  }
}

function heritage(
  platform: Platform,
  socket: Fd,
  kept: NamedDescriptors,
  memory: Fd,
): RecoveredState {
  using state = memory;
  const path = `/proc/self/fd/${state.number}`;
  const { size } = statSync(path);
  if (size > RESUME_LIMIT) throw new Error(`Cannot go on: the state has ${size} bytes`);
  return {
    resumption: {
      kind: "survived",
      state: parseResumeState(readFileSync(path, "utf8")),
      kept,
      listensNow: () => {},
    },
    acknowledge: () => {
      try {
        const message: FdStoreRequest = { kind: "taken" };
        platform.descriptors.send(socket, encodeMessage(message));
      } finally {
        socket.close();
      }
    },
  };
}
