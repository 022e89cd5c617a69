/**
 * The NOTIFY_SOCKET that baton gives to a generation: sd_notify(3), sd_notify "READY=1".
 *
 * One socket per generation, so that a message belongs to its generation even if the sender (often a helper program)
 * is gone by the time it is read. Unknown lines are ignored, as the manual asks.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Message } from "../platform/network/passed_descriptors.ts";
import { statOf } from "../platform/files/path.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { bindAt, bindNotifySocket, removeNotifySocket } from "./notify_path.ts";

/** Bytes of the longest message: what systemd accepts (NOTIFY_BUFFER_MAX is one page). */
const MESSAGE_LIMIT = 4096;
/** Messages read at a time, so that a flood does not block the event loop. */
const MESSAGES_AT_A_TIME = 16;

interface Bound {
  readonly socket: Fd;
  readonly watch: Watch;
}

export class NotifyServer {
  /** Where the socket is bound: NOTIFY_SOCKET. Another path than `asked` if that cannot be used. */
  readonly path: string;
  /** Why `asked` could not be used. */
  readonly notice: string | null;
  #bound: Bound;
  /** The first socket, if its path was lost: connected senders may still use it. */
  #first: Bound | null = null;
  #inode: number | null;

  /** @param kept the socket that is bound already at `asked` */
  constructor(
    readonly platform: Platform,
    asked: string,
    /** Whether a process belongs to the generation. */
    readonly isMember: (pid: number) => boolean,
    readonly onMessage: (variables: ReadonlyMap<string, string>) => void,
    kept: Fd | null = null,
  ) {
    const place = kept === null ? bindNotifySocket(platform, asked) : null;
    const socket = kept ?? place!.socket;
    this.path = place?.path ?? platform.sockets.unixPath(socket) ?? asked;
    this.notice = place?.notice ?? null;
    this.#inode = inodeAt(this.path);
    this.#bound = this.#watch(socket);
  }

  get socket(): Fd {
    return this.#bound.socket;
  }

  #watch(socket: Fd): Bound {
    const watch: Watch = this.platform.reactor.watch(socket, () => this.#read(socket, watch));
    return { socket, watch };
  }

  get isInPlace(): boolean {
    return this.path.startsWith("@") ||
      (this.#inode !== null && inodeAt(this.path) === this.#inode);
  }

  /** Binds the path again, from which the socket was removed. @throws {SystemCallError} */
  restore(): void {
    const fresh = bindAt(this.platform, this.path);
    if (this.#first === null) this.#first = this.#bound;
    else close(this.#bound);
    this.#bound = this.#watch(fresh);
    this.#inode = inodeAt(this.path);
  }

  #read(socket: Fd, watch: Watch): void {
    try {
      for (let i = 0; i < MESSAGES_AT_A_TIME; i++) {
        const message = this.platform.descriptors.receive(socket, MESSAGE_LIMIT);
        if (message === null) break;
        message.fds.forEach((fd) => fd.close());
        if (!this.#isBelieved(message.sender)) continue;
        this.onMessage(parseNotification(new TextDecoder().decode(message.data)));
      }
    } catch (error) {
      // The message was too long: ignored.
      if (!(error instanceof SystemCallError)) throw error;
    } finally {
      watch.arm();
    }
  }

  /**
   * Whether a sender is believed. A helper that sends for a server is often gone by now: then its user must be a
   * trusted one.
   */
  #isBelieved(sender: Message["sender"]): boolean {
    if (sender === null) return false;
    return this.platform.processes.trustsUser(sender.uid) || this.isMember(sender.pid);
  }

  close(): void {
    close(this.#bound);
    if (this.#first !== null) close(this.#first);
    if (!this.path.startsWith("@") && this.isInPlace) removeNotifySocket(this.path);
  }
}

function close({ watch, socket }: Bound): void {
  watch.cancel();
  socket.close();
}

function inodeAt(path: string): number | null {
  return statOf(path)?.ino ?? null;
}

/** @returns the variables of a message: lines of NAME=VALUE */
export function parseNotification(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) variables.set(line.slice(0, at), line.slice(at + 1));
  }
  return variables;
}
