/**
 * The client of the control socket. It blocks on purpose: its commands do one thing, and users expect the default action
 * of Ctrl-C from them.
 */
import { type Stats, statSync } from "node:fs";
import { SystemCallError } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { parseHead, parseResponse } from "./http1.ts";
import { concatBytes } from "../platform/bytes.ts";
import type { Fd } from "../platform/fd.ts";
import { ROOT_UID } from "../platform/process/processes.ts";

const READ_SIZE = 64 * 1024;
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/** No baton answers. `kind` decides the exit status. */
export class ControlError extends Error {
  constructor(readonly kind: "absent" | "untrusted" | "timed_out" | "broken", message: string) {
    super(message);
  }
}

export interface ControlRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Longest wait for the reply; 0: no limit. */
  readonly timeoutMs: number;
  /** Called again and again while there is no reply. */
  readonly meanwhile?: { readonly everyMs: number; call(): void };
}

export interface ControlResponse {
  readonly status: number;
  readonly body: string;
  /** baton's process id as the caller sees it; 0 when baton is in another PID namespace. */
  readonly peerPid: number;
}

/** @throws {ControlError} */
export function callControl(
  platform: Platform,
  socketPath: string,
  request: ControlRequest,
): ControlResponse {
  return withControl(platform, socketPath, request, ({ socket, peerPid }) => {
    const chunks: Uint8Array[] = [];
    for (let total = 0; total < MAX_RESPONSE_BYTES;) {
      awaitReply(platform, socket, request);
      const bytes = platform.descriptors.read(socket, new Uint8Array(READ_SIZE));
      if (bytes === null) throw new ControlError("timed_out", "no reply in time");
      if (bytes.length === 0) break;
      chunks.push(bytes);
      total += bytes.length;
    }
    const response = parseResponse(concatBytes(...chunks));
    if (response === null) throw cutOff(socketPath);
    return { ...response, peerPid };
  });
}

/**
 * Reads a response whose body comes bit by bit, until baton ends it or `onText` returns false.
 * @throws {ControlError}
 */
export function streamControl(
  platform: Platform,
  socketPath: string,
  request: ControlRequest,
  onText: (text: string, status: number) => boolean,
): void {
  withControl(platform, socketPath, request, ({ socket }) => {
    const decoder = new TextDecoder();
    let head = new Uint8Array(0);
    let status: number | null = null;
    for (;;) {
      const bytes = platform.descriptors.read(socket, new Uint8Array(READ_SIZE));
      if (bytes === null) throw new ControlError("timed_out", "no reply in time");
      if (bytes.length === 0) break;
      let body: Uint8Array = bytes;
      if (status === null) {
        head = concatBytes(head, bytes);
        const parsed = parseHead(head);
        if (parsed === null) continue;
        ({ status, body } = parsed);
      }
      if (!onText(decoder.decode(body, { stream: true }), status)) return;
    }
    if (status === null) throw cutOff(socketPath);
  });
}

function cutOff(socketPath: string): ControlError {
  return new ControlError("broken", `${socketPath} closed the connection without a reply`);
}

/** Sends a request, and closes the connection after `use`. @throws {ControlError} */
function withControl<T>(
  platform: Platform,
  socketPath: string,
  request: ControlRequest,
  use: (connection: { readonly socket: Fd; readonly peerPid: number }) => T,
): T {
  const { sockets, descriptors, processes } = platform;
  const stat = statSocket(socketPath);
  if (stat === null) throw new ControlError("absent", `no control socket at ${socketPath}`);
  const uid = processes.userId();
  if (!stat.isSocket() || !isTrusted(stat, uid)) {
    throw new ControlError(
      "untrusted",
      stat.isSocket()
        ? `${socketPath} belongs to user ${stat.uid}, not to you: run this as that user`
        : `${socketPath} is not a socket`,
    );
  }
  using socket = sockets.stream("unix");
  try {
    sockets.connectUnix(socket, socketPath);
    const { pid: peerPid } = sockets.peerCredentials(socket);
    sockets.setTimeouts(socket, request.timeoutMs);
    descriptors.writeAll(
      socket,
      new TextEncoder().encode(`${request.method} ${request.path} HTTP/1.1\r\nHost: baton\r\n\r\n`),
    );
    return use({ socket, peerPid });
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.errno === C.ECONNREFUSED || error.errno === C.ENOENT) {
      throw new ControlError("absent", `nothing listens at ${socketPath}`);
    }
    if (error.errno === C.EACCES || error.errno === C.EPERM) {
      throw new ControlError(
        "untrusted",
        `${error.message}: run this as the user of baton, or root`,
      );
    }
    // The baton has exited with this request in its queue, or half read.
    if (error.errno === C.ECONNRESET || error.errno === C.EPIPE) throw cutOff(socketPath);
    throw new ControlError("broken", error.message);
  }
}

/** Waits for the next bytes. @throws {ControlError} when they do not come in time */
function awaitReply({ clock, descriptors }: Platform, socket: Fd, request: ControlRequest): void {
  const { meanwhile, timeoutMs } = request;
  if (meanwhile === undefined) return;
  const endsAtMs = timeoutMs === 0 ? Infinity : clock.now() + timeoutMs;
  for (;;) {
    const leftMs = Math.ceil(Math.min(meanwhile.everyMs, endsAtMs - clock.now()));
    if (leftMs <= 0) throw new ControlError("timed_out", "no reply in time");
    if (descriptors.waitReadable([socket], leftMs).length > 0) return;
    meanwhile.call();
  }
}

/** The owner of the file could pose as baton: trust this user and root only. */
function isTrusted({ uid: owner }: Stats, uid: number): boolean {
  return owner === uid || owner === ROOT_UID || uid === ROOT_UID;
}

function mayConnect(socketPath: string, uid: number): boolean {
  try {
    const stat = statSocket(socketPath);
    return stat === null || isTrusted(stat, uid);
  } catch {
    return false;
  }
}

/**
 * Connects to see whether a process listens there; sends nothing.
 * @returns true also when that is unknown: the socket belongs to another user, is invisible, or its queue is full
 */
export function isListening({ sockets, processes }: Platform, socketPath: string): boolean {
  if (!mayConnect(socketPath, processes.userId())) return true;
  using socket = sockets.stream("unix", { nonblocking: true });
  try {
    sockets.connectUnix(socket, socketPath);
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return error.errno !== C.ECONNREFUSED && error.errno !== C.ENOENT;
  }
}

/** @throws {ControlError} "untrusted" when the path may not be accessed */
function statSocket(socketPath: string): Stats | null {
  try {
    return statSync(socketPath);
  } catch (error) {
    if ((error as { code?: string }).code !== "EACCES") return null;
    throw new ControlError("untrusted", `no permission to access ${socketPath}`);
  }
}
