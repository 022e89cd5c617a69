/**
 * One end of a takeover's socket: receives and sends messages with descriptors.
 *
 * It never blocks, and never throws because of the peer: a bad message is `onMalformed`, the end of the connection is
 * `onGone`, once. A message that cannot be sent is dropped: the peer is gone, or does not read, and the wait for its
 * next message finds out.
 */
import { jsonBytes } from "../../platform/bytes.ts";
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Message } from "../../platform/network/passed_descriptors.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Watch } from "../../platform/reactor.ts";
import { malformedText } from "../state/fields.ts";
import { MESSAGE_LIMIT } from "./messages.ts";

interface ChannelHandlers<Received> {
  /** Removes the descriptors that it keeps from `fds`; the others are closed. @throws {MalformedMessage} */
  onMessage(message: Received, fds: Fd[]): void;
  onMalformed(reason: string): void;
  onGone(): void;
}

export class Channel<Sent, Received> {
  readonly #watch: Watch;

  /** @param takenSocket SOCK_SEQPACKET, non-blocking; closed by `close` */
  constructor(
    readonly platform: Platform,
    readonly takenSocket: Fd,
    readonly parse: (data: Uint8Array) => Received,
    readonly handlers: ChannelHandlers<Received>,
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
    const fds = [...message?.fds ?? []];
    try {
      if (message?.data.length === 0) this.#gone();
      else if (message !== null) handlers.onMessage(this.parse(message.data), fds);
    } catch (error) {
      handlers.onMalformed(malformedText(error));
    } finally {
      fds.forEach((fd) => fd.close());
      if (takenSocket.isOpen) this.#watch.arm();
    }
  }

  #gone(): void {
    if (!this.takenSocket.isOpen) return;
    this.close();
    this.handlers.onGone();
  }

  send(message: Sent, fds: readonly Fd[] = []): void {
    if (!this.takenSocket.isOpen) return;
    try {
      this.platform.descriptors.send(this.takenSocket, jsonBytes(message), fds);
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
