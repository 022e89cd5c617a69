/**
 * A Unix socket that listens at a path, which another process may take: `moveTo` puts it over what is there by rename(2),
 * so that clients find one or the other and never none. By default with mode 0600: for its owner and root only.
 */
import { chmodSync, chownSync, renameSync, rmSync, statSync } from "node:fs";
import { SystemCallError } from "../error.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Sockets } from "./sockets.ts";

const MODE = 0o600;

interface UnixListenerOptions {
  /** Type of the socket: SOCK_STREAM, or SOCK_SEQPACKET. */
  readonly type: "stream" | "packets";
  readonly backlog: number;
  readonly nonblocking: boolean;
  /** Mode of the node, and its owner; default: 0600, and baton's own user and group. */
  readonly mode?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

export class UnixListener {
  #path: string;
  readonly #inode: number;

  /** @param fd listens at `path`; owned */
  constructor(readonly fd: Fd, path: string) {
    this.#path = path;
    this.#inode = statSync(path).ino;
  }

  /** Removes what is at `path`, and listens there. @throws {SystemCallError} */
  static bind(sockets: Sockets, path: string, options: UnixListenerOptions): UnixListener {
    const { type, backlog, nonblocking, mode = MODE, owner } = options;
    rmSync(path, { force: true });
    const fd = type === "stream"
      ? sockets.stream("unix", { nonblocking })
      : sockets.packets({ nonblocking });
    try {
      sockets.bindUnix(fd, path);
      // Done before it listens: until then the kernel refuses every client.
      if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
      chmodSync(path, mode);
      sockets.listen(fd, backlog);
      return new UnixListener(fd, path);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Whether the path leads to this socket: false when it was removed, or leads to another's. */
  get isInPlace(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  /** Moves the socket over what is at `path`. Open connections stay open. */
  moveTo(path: string): void {
    renameSync(this.#path, path);
    this.#path = path;
  }

  /** Closes the socket, and removes its path, unless that leads to another's socket. */
  close(): void {
    const { isInPlace } = this;
    this.fd.close();
    if (isInPlace) rmSync(this.#path, { force: true });
  }
}

/**
 * Connects. Never waits: a full queue is an error.
 * @returns a non-blocking SOCK_SEQPACKET connection; null when nothing listens at `path`. @throws {SystemCallError}
 */
export function connectPackets(sockets: Sockets, path: string): Fd | null {
  const socket = sockets.packets({ nonblocking: true });
  try {
    sockets.connectUnix(socket, path);
    return socket;
  } catch (error) {
    socket.close();
    const isAbsent = error instanceof SystemCallError &&
      (error.errno === C.ENOENT || error.errno === C.ECONNREFUSED);
    if (isAbsent) return null;
    throw error;
  }
}
