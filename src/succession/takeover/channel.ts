/**
 * One end of a takeover's socket: receives and sends messages with descriptors.
 *
 * It never blocks, and never throws because of the peer: a bad message is `onMalformed`, the end of the connection is
 * `onGone`, once. A message that cannot be sent is dropped: the peer is gone, or does not read, and the wait for its next
 * message finds out.
 */
import type { Message } from "../../platform/network/passed_descriptors.ts";
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Watch } from "../../platform/reactor.ts";
import { MESSAGE_LIMIT } from "./messages.ts";

interface ChannelHandlers {
  /** The handler owns `fds`. */
  onMessage(data: Uint8Array, fds: readonly Fd[]): void;
  onMalformed(reason: string): void;
  onGone(): void;
}

export class Channel {
  readonly #watch: Watch;

  /** @param takenSocket SOCK_SEQPACKET, non-blocking; closed by `close` */
  constructor(
    readonly platform: Platform,
    readonly takenSocket: Fd,
    readonly handlers: ChannelHandlers,
  ) {
    this.#watch = platform.reactor.watch(takenSocket, () => this.#receive());
  }

  #receive(): void {
    const { handlers, platform, takenSocket } = this;
    let message: Message | null = null;
    try {
      message = platform.descriptors.receive(takenSocket, MESSAGE_LIMIT);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (error.errno !== C.EINVAL) return this.#gone();
      handlers.onMalformed(
        `a message of more than ${MESSAGE_LIMIT} bytes, or too many descriptors`,
      );
    }
    if (message !== null && message.data.length === 0) {
      message.fds.forEach((fd) => fd.close());
      return this.#gone();
    }
    try {
      if (message !== null) handlers.onMessage(message.data, message.fds);
    } finally {
      if (takenSocket.isOpen) this.#watch.arm();
    }
  }

  #gone(): void {
    if (!this.takenSocket.isOpen) return;
    this.close();
    this.handlers.onGone();
  }

  send(data: Uint8Array, fds: readonly Fd[] = []): void {
    if (!this.takenSocket.isOpen) return;
    try {
      this.platform.descriptors.send(this.takenSocket, data, fds);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  close(): void {
    if (!this.takenSocket.isOpen) return;
    this.#watch.cancel();
    this.takenSocket.close();
  }
}
