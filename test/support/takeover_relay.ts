/**
 * A relay between two batons of a takeover: it stands in for the old one's socket, passes every message on with its
 * descriptors, and lets a test stop the world at each of them.
 *
 * The real socket is moved aside and put back, so that both batons use one path, as in production. To each baton the
 * relay is a process of its own user: it must run as that.
 */
import { renameSync, rmSync, statSync } from "node:fs";
import type { Message } from "../../src/platform/network/passed_descriptors.ts";
import type { Fd } from "../../src/platform/fd.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { Watch } from "../../src/platform/reactor.ts";

/** More than any message that a baton sends. */
const LIMIT = 256 * 1024;

export type Side = "old" | "new";
/** What becomes of a message; `cut` ends the connection instead, `cut_after` when it is passed on. */
export type Fate = "pass" | "cut" | "cut_after";
export type OnMessage = (from: Side, kind: string) => Promise<Fate>;

interface End {
  readonly side: Side;
  readonly socket: Fd;
  readonly watch: Watch;
}

export class TakeoverRelay implements Disposable {
  /** What has been said, in order, whether it was passed on or not. */
  readonly said: string[] = [];
  readonly #listener: Fd;
  readonly #watch: Watch;
  readonly #real: string;
  readonly #inode: number;
  #ends: End[] = [];

  constructor(
    readonly platform: Platform,
    readonly path: string,
    readonly onMessage: OnMessage,
  ) {
    const { sockets, reactor } = platform;
    this.#real = `${path}.real`;
    renameSync(path, this.#real);
    this.#listener = sockets.packets({ nonblocking: true });
    sockets.bindUnix(this.#listener, path);
    sockets.listen(this.#listener, 1);
    this.#inode = statSync(path).ino;
    this.#watch = reactor.watch(this.#listener, () => this.#accept());
  }

  /** One pair of batons, once. */
  #accept(): void {
    const { sockets } = this.platform;
    const accepted = sockets.accept(this.#listener);
    if (accepted === null) return this.#watch.arm();
    const connected = sockets.packets({ nonblocking: true });
    sockets.connectUnix(connected, this.#real);
    this.#ends = [this.#end("new", accepted), this.#end("old", connected)];
  }

  #end(side: Side, socket: Fd): End {
    const end: End = {
      side,
      socket,
      watch: this.platform.reactor.watch(socket, () => void this.#onReadable(end)),
    };
    return end;
  }

  async #onReadable(end: End): Promise<void> {
    const message = this.#receive(end.socket);
    if (message === null) return end.watch.arm();
    if (message.data.length === 0) return this.#cut();
    try {
      const { kind } = JSON.parse(new TextDecoder().decode(message.data));
      this.said.push(`${end.side}: ${kind}`);
      const fate = await this.onMessage(end.side, kind);
      if (fate !== "cut") this.#pass(end.side, message);
      if (fate !== "pass") return this.#cut();
    } finally {
      message.fds.forEach((fd) => fd.close());
    }
    if (end.socket.isOpen) end.watch.arm();
  }

  /** The end of a connection, however it came, is an empty message. */
  #receive(socket: Fd): Message | null {
    try {
      return this.platform.descriptors.receive(socket, LIMIT);
    } catch {
      return { data: new Uint8Array(), fds: [], sender: null };
    }
  }

  #pass(from: Side, { data, fds }: Message): void {
    const to = this.#ends.find(({ side }) => side !== from);
    try {
      if (to?.socket.isOpen) this.platform.descriptors.send(to.socket, data, fds);
    } catch {
      // The process has ended, as the test may want it to.
    }
  }

  #cut(): void {
    for (const { socket, watch } of this.#ends) {
      if (!socket.isOpen) continue;
      watch.cancel();
      socket.close();
    }
  }

  /** Puts the old baton's socket back, unless another one is there by now. */
  [Symbol.dispose](): void {
    this.#cut();
    this.#watch.cancel();
    this.#listener.close();
    const isOurs = statSync(this.path, { throwIfNoEntry: false })?.ino === this.#inode;
    if (isOurs) renameSync(this.#real, this.path);
    else rmSync(this.#real, { force: true });
  }
}
