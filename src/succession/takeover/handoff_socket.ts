/**
 * The socket that another baton takes over through: SOCK_SEQPACKET at a path, mode 0600, for the same
 * user and root only. The user is asked of the kernel (SO_PEERCRED, unix(7)), because modes can be
 * changed behind our back; in another PID namespace the process id is 0, which says nothing.
 *
 * The path is shared by an old and a new baton: the new one puts its socket over the old one's by
 * rename(2) when it serves, so that at every moment somebody answers there.
 */
import { chmodSync, renameSync, rmSync, statSync } from "node:fs";
import { errorText, SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Watch } from "../../platform/reactor.ts";

const MODE = 0o600;
const BACKLOG = 8;
/** Peers that have said nothing yet are few, and soon cut off (see old_side.ts). */
const MAX_PEERS = 8;
/** What `replace` puts behind the path. */
const SUFFIX_LENGTH = 9;
/** The path beside it must fit into sun_path too, unix(7): it would be found out only at the switch. */
const MAX_PATH_BYTES = 107 - SUFFIX_LENGTH;

/** The path cannot be used; the CLI maps it to EXIT_BUSY or EXIT_USAGE. */
export class HandoffSocketError extends Error {
  constructor(message: string, readonly isBusy: boolean, readonly remedy: string) {
    super(message);
  }
}

/** What somebody who has connected may be told. */
export type PeerVerdict = { readonly kind: "welcome" } | {
  readonly kind: "stranger";
  readonly uid: number;
};

/**
 * @returns a connection, or null when nobody answers there
 * @throws {SystemCallError} when the path is there and cannot be connected to
 */
export function connectToHandoff(platform: Platform, path: string): Fd | null {
  const socket = platform.sockets.packets({ nonblocking: true });
  try {
    platform.sockets.connectUnix(socket, path);
    return socket;
  } catch (error) {
    socket.close();
    if (!(error instanceof SystemCallError)) throw error;
    if (error.errno === C.ENOENT || error.errno === C.ECONNREFUSED) return null;
    throw error;
  }
}

export class HandoffSocket {
  #listener: Fd | null = null;
  #watch: Watch | null = null;
  #inode = -1;
  #at: string;
  #peers = 0;

  /**
   * @param onPeer owns the socket that it gets, and calls `left` when it has closed it
   * @throws {HandoffSocketError}
   */
  constructor(
    readonly platform: Platform,
    readonly path: string,
    readonly onPeer: (socket: Fd, verdict: PeerVerdict, left: () => void) => void,
  ) {
    this.#at = path;
  }

  /** Listens at the path, unless somebody answers there. */
  open(): void {
    const length = new TextEncoder().encode(this.path).length;
    if (length > MAX_PATH_BYTES) {
      const message = `Cannot use --handoff-socket ${this.path}: it has ${length} bytes, and at ` +
        `most ${MAX_PATH_BYTES} leave room for the next baton's beside it`;
      throw new HandoffSocketError(message, false, "Use a shorter path");
    }
    const remedy = `Take over from it: --takeover ${this.path}; or use another path`;
    let other: Fd | null;
    try {
      other = connectToHandoff(this.platform, this.path);
    } catch (error) {
      throw new HandoffSocketError(
        `Cannot use --handoff-socket: ${errorText(error)}`,
        false,
        remedy,
      );
    }
    if (other !== null) {
      other.close();
      const message = `Cannot use --handoff-socket ${this.path}: another baton answers there`;
      throw new HandoffSocketError(message, true, remedy);
    }
    if (statSync(this.path, { throwIfNoEntry: false })?.isSocket() === false) {
      const message = `Cannot use --handoff-socket ${this.path}: it is there, and is no socket`;
      throw new HandoffSocketError(message, false, "Use another path");
    }
    rmSync(this.path, { force: true });
    this.#listenAt(this.path);
  }

  /** Listens beside the path, and puts that in place of what is there: for clients never nothing. */
  replace(): void {
    if (this.isOurs) return;
    this.#stop();
    const beside = `${this.path}.${crypto.randomUUID().slice(0, SUFFIX_LENGTH - 1)}`;
    this.#listenAt(beside);
    renameSync(beside, this.path);
    this.#at = this.path;
  }

  get isOurs(): boolean {
    return this.#listener !== null &&
      statSync(this.#at, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  /** One is there, if one is wanted: what is not ours was put there by another baton, or on purpose. */
  get isInPlace(): boolean {
    return this.#listener === null ||
      statSync(this.path, { throwIfNoEntry: false }) !== undefined;
  }

  #listenAt(path: string): void {
    const { sockets, reactor } = this.platform;
    const listener = sockets.packets({ nonblocking: true });
    try {
      sockets.bindUnix(listener, path);
      chmodSync(path, MODE);
      sockets.listen(listener, BACKLOG);
    } catch (error) {
      listener.close();
      throw new HandoffSocketError(
        `Cannot use --handoff-socket: ${errorText(error)}`,
        false,
        "The directory must be there, and this user must be allowed to write to it",
      );
    }
    this.#at = path;
    this.#inode = statSync(path).ino;
    this.#listener = listener;
    this.#watch = reactor.watch(listener, () => this.#accept(listener));
  }

  #accept(listener: Fd): void {
    try {
      const socket = this.platform.sockets.accept(listener);
      if (socket === null) return;
      if (this.#peers >= MAX_PEERS) return socket.close();
      this.#peers++;
      const { uid } = this.platform.sockets.peerCredentials(socket);
      const welcome = this.platform.processes.trustsUser(uid);
      const verdict: PeerVerdict = welcome ? { kind: "welcome" } : { kind: "stranger", uid };
      this.onPeer(socket, verdict, () => this.#peers--);
    } finally {
      if (listener.isOpen) this.#watch?.arm();
    }
  }

  #stop(): void {
    this.#watch?.cancel();
    this.#listener?.close();
    this.#listener = null;
  }

  /** Removes the path too, if no other baton has put its own there. */
  close(): void {
    const { isOurs } = this;
    this.#stop();
    if (isOurs) rmSync(this.#at, { force: true });
  }
}
