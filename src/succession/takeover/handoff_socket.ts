/**
 * The socket through which another baton takes over: SOCK_SEQPACKET at a path, mode 0600, for the same user and root
 * only. The user comes from the kernel (SO_PEERCRED, unix(7)), because a mode can be changed from outside; from another
 * PID namespace the process id is 0, which says nothing.
 *
 * An old and a new baton share the path: the new one puts its socket over the old one's by rename(2) when it serves, so
 * that a baton listens there at every moment.
 */
import { statSync } from "node:fs";
import { errorText } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { connectPackets, UnixListener } from "../../platform/network/unix_listener.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Watch } from "../../platform/reactor.ts";

const BACKLOG = 8;
/** Length of what `replace` appends to the path. */
const SUFFIX_LENGTH = 9;
/** The longer path must fit into sun_path, too, unix(7). Otherwise the failure would come at the switch. */
const MAX_PATH_BYTES = 107 - SUFFIX_LENGTH;

/** The path cannot be used; the CLI maps it to EXIT_BUSY or EXIT_USAGE. */
export class HandoffSocketError extends Error {
  constructor(message: string, readonly isBusy: boolean, readonly remedy: string) {
    super(message);
  }
}

export class HandoffSocket {
  #listener: UnixListener | null = null;
  #watch: Watch | null = null;

  /** @param onPeer a process of user `uid` has connected; owns the socket */
  constructor(
    readonly platform: Platform,
    readonly path: string,
    readonly onPeer: (socket: Fd, uid: number) => void,
  ) {}

  /** Listens at the path, unless another process does. @throws {HandoffSocketError} */
  open(): void {
    const { path } = this;
    const cannot = `Cannot use --handoff-socket ${path}`;
    const length = new TextEncoder().encode(path).length;
    if (length > MAX_PATH_BYTES) {
      const why = `it has ${length} bytes, and at most ${MAX_PATH_BYTES} leave room for the next ` +
        "baton's beside it";
      throw new HandoffSocketError(`${cannot}: ${why}`, false, "Use a shorter path");
    }
    const remedy = `Take over from it: --takeover ${path}; or use another path`;
    let other: Fd | null;
    try {
      other = connectPackets(this.platform.sockets, path);
    } catch (error) {
      const message = `Cannot use --handoff-socket: ${errorText(error)}`;
      throw new HandoffSocketError(message, false, remedy);
    }
    if (other !== null) {
      other.close();
      throw new HandoffSocketError(`${cannot}: another baton answers there`, true, remedy);
    }
    if (statSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
      const message = `${cannot}: it exists and is not a socket`;
      throw new HandoffSocketError(message, false, "Use another path");
    }
    this.#listenAt(path);
  }

  /** Puts a socket of its own over what is at the path. Clients find one or the other, and never none. */
  replace(): void {
    if (this.isOurs) return;
    this.close();
    const beside = `${this.path}.${crypto.randomUUID().slice(0, SUFFIX_LENGTH - 1)}`;
    this.#listenAt(beside).moveTo(this.path);
  }

  get isOurs(): boolean {
    return this.#listener?.isInPlace ?? false;
  }

  /**
   * Whether the path is this baton's: false when it was removed. What exists there then was put there by another baton,
   * or by hand.
   */
  get isInPlace(): boolean {
    return this.#listener === null || statSync(this.path, { throwIfNoEntry: false }) !== undefined;
  }

  #listenAt(path: string): UnixListener {
    const { sockets, reactor } = this.platform;
    try {
      const options = { type: "packets", backlog: BACKLOG, nonblocking: true } as const;
      const listener = UnixListener.bind(sockets, path, options);
      this.#listener = listener;
      this.#watch = reactor.watch(listener.fd, () => this.#accept(listener.fd));
      return listener;
    } catch (error) {
      const message = `Cannot use --handoff-socket: ${errorText(error)}`;
      const remedy = "The directory must exist, and this user must be allowed to write to it";
      throw new HandoffSocketError(message, false, remedy);
    }
  }

  #accept(listener: Fd): void {
    const { sockets } = this.platform;
    try {
      const socket = sockets.accept(listener);
      if (socket !== null) this.onPeer(socket, sockets.peerCredentials(socket).uid);
    } finally {
      if (listener.isOpen) this.#watch?.arm();
    }
  }

  /** Removes the path too, unless another baton has put its own socket there. */
  close(): void {
    this.#watch?.cancel();
    this.#listener?.close();
    this.#listener = null;
  }
}
