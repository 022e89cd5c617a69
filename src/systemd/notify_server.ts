/**
 * The NOTIFY_SOCKET that baton gives to a generation: sd_notify(3), sd_notify "READY=1".
 *
 * One socket a generation, so that a message belongs to its generation whoever sent it (often a
 * helper program that is gone by the time it is read). Descriptors that come with a message are
 * closed; unknown lines are ignored, as the manual asks.
 */
import { chmodSync, rmSync } from "node:fs";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { Message } from "../platform/descriptors.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";

/** Longest message: what systemd accepts (NOTIFY_BUFFER_MAX is one page). */
const MESSAGE_LIMIT = 4096;
/** The server may run as another user: who may be believed is told by the sender's credentials. */
const SOCKET_MODE = 0o666;
/** Messages taken at a time, so that a sender who floods keeps nothing else waiting. */
const MESSAGES_AT_A_TIME = 16;
const ROOT = 0;

export class NotifyServer {
  readonly #socket: Fd;
  readonly #watch: Watch;

  /** @param kept the socket that is bound to `path` already; null = bind a new one */
  constructor(
    readonly platform: Platform,
    readonly path: string,
    /** Whether a process belongs to the generation. */
    readonly isMember: (pid: number) => boolean,
    readonly onMessage: (variables: ReadonlyMap<string, string>) => void,
    kept: Fd | null = null,
  ) {
    this.#socket = kept ?? this.#bind();
    this.#watch = platform.reactor.watch(this.#socket, () => this.#read());
  }

  get socket(): Fd {
    return this.#socket;
  }

  #bind(): Fd {
    rmSync(this.path, { force: true });
    const socket = this.platform.sockets.datagram(this.path);
    chmodSync(this.path, SOCKET_MODE);
    return socket;
  }

  #read(): void {
    try {
      for (let i = 0; i < MESSAGES_AT_A_TIME; i++) {
        const message = this.platform.descriptors.receive(this.#socket, MESSAGE_LIMIT);
        if (message === null) break;
        message.fds.forEach((fd) => fd.close());
        if (!this.#isBelieved(message.sender)) continue;
        this.onMessage(parseNotification(new TextDecoder().decode(message.data)));
      }
    } catch (error) {
      // A message that is too long is not one of ours.
      if (!(error instanceof SystemCallError)) throw error;
    } finally {
      this.#watch.arm();
    }
  }

  /** The helper that sends for a server is often gone by now: then its user must be ours. */
  #isBelieved(sender: Message["sender"]): boolean {
    if (sender === null) return false;
    return sender.uid === ROOT || sender.uid === this.platform.processes.userId() ||
      this.isMember(sender.pid);
  }

  close(): void {
    this.#watch.cancel();
    this.#socket.close();
    rmSync(this.path, { force: true });
  }
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
