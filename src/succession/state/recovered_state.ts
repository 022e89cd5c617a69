/** What a killed baton has left with its fd-store process, as the next instance of its name finds it. */
import { statSync } from "node:fs";
import { jsonBytes } from "../../platform/bytes.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import { connectPackets } from "../../platform/network/unix_listener.ts";
import type { Platform } from "../../platform/platform.ts";
import { isRunning } from "../../platform/process/proc.ts";
import { receiveMessage, REPLY, TAKEN } from "./fd_store_protocol.ts";
import { abstractNameOf } from "./fd_store_server.ts";
import { parseJson } from "./fields.ts";
import { parseResumeState } from "./resume_state.ts";
import { NamedDescriptors, readState, type Resumption } from "./resumption.ts";

/**
 * How long a connection to the fd-store process may take: it accepts when its baton has exited, which it has, since
 * this process has the lock on its name.
 */
const FD_STORE_TIMEOUT_MS = 10_000;
/** How long a killed process may take to exit. */
const EXIT_TIMEOUT_MS = 5_000;
/**
 * How often it is tried to receive a state: an fd-store process may exit before it has sent everything, and there may
 * be another.
 */
const MOST_TRIES = 5;

export interface RecoveredState {
  readonly resumption: Resumption;
  /** Tells the fd-store process that it is not needed any more. */
  acknowledge(): void;
}

/** @returns null when nothing was left. @throws {Error} when it is malformed */
export function claimRecoveredState(platform: Platform, path: string): RecoveredState | null {
  for (let i = 0; i < MOST_TRIES; i++) {
    const socket = connectToFdStore(platform, path);
    if (socket === null) return null;
    const found = receiveAll(platform, socket);
    if (found !== null) return found;
    socket.close();
  }
  throw new Error(`Cannot recover the previous instance: no process at ${path} sends its state`);
}

/** As `claimRecoveredState()`, from the service manager's store, which needs no acknowledgment. */
export function storedState(fds: ReadonlyMap<string, Fd>, text: string): RecoveredState {
  return { resumption: survived(text, new NamedDescriptors(fds)), acknowledge: () => {} };
}

function survived(text: string, kept: NamedDescriptors): Resumption {
  return { kind: "survived", state: parseResumeState(text), kept, releaseSignals: () => {} };
}

/** @returns null, and kills what is left, when the first generation had not served yet */
export function usableResumption(
  platform: Platform,
  { resumption }: RecoveredState,
): Resumption | null {
  const { service, generations } = resumption.state;
  if (service.served) return resumption;
  for (const { pid, startTime } of generations.flatMap(({ workers }) => workers)) {
    if (!isRunning(pid, startTime)) continue;
    using pidfd = platform.processes.openPidfd(pid);
    platform.processes.signal(-pid, C.SIGKILL);
    platform.processes.signal(pid, C.SIGKILL);
    platform.descriptors.waitReadable([pidfd], EXIT_TIMEOUT_MS);
  }
  resumption.kept.close();
  return null;
}

/** @returns null when there is no fd-store process */
export function connectToFdStore(platform: Platform, path: string): Fd | null {
  const owner = statSync(path, { throwIfNoEntry: false })?.uid;
  if (owner === undefined) return connectToAbstractName(platform, path);
  if (!platform.processes.trustsUser(owner)) {
    throw new Error(`Cannot recover what is at ${path}: it belongs to user ${owner}`);
  }
  return connectAt(platform, path) ?? connectToAbstractName(platform, path);
}

/** The path may be removed while there is no baton to notice: the fd-store process has a second address. */
function connectToAbstractName(platform: Platform, path: string): Fd | null {
  const socket = connectAt(platform, abstractNameOf(path));
  if (socket === null) return null;
  if (platform.processes.trustsUser(platform.sockets.peerCredentials(socket).uid)) return socket;
  socket.close();
  return null;
}

function connectAt(platform: Platform, path: string): Fd | null {
  const socket = connectPackets(platform.sockets, path);
  if (socket === null) return null;
  platform.descriptors.setNonblocking(socket, false);
  platform.sockets.setTimeouts(socket, FD_STORE_TIMEOUT_MS);
  return socket;
}

/** @returns null when the connection ended too early */
export function receiveAll({ descriptors }: Platform, socket: Fd): RecoveredState | null {
  const kept = new NamedDescriptors();
  for (;;) {
    const message = receiveMessage(descriptors, socket);
    const reply = message === null ? null : parseJson(REPLY, message.data);
    const fds = message?.fds ?? [];
    if (reply?.kind === "items") {
      reply.names.forEach((name, i) => fds[i] && kept.set(name, fds[i]));
      continue;
    }
    const [memory] = fds;
    if (reply?.kind !== "state" || memory === undefined) {
      kept.close();
      return null;
    }
    using state = memory;
    const acknowledge = () => {
      using connection = socket;
      descriptors.send(connection, jsonBytes(TAKEN));
    };
    return { resumption: survived(readState(state.number), kept), acknowledge };
  }
}
