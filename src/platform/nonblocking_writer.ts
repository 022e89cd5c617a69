/**
 * Writes to a descriptor that other processes also write to, without ever waiting for its reader and without setting
 * O_NONBLOCK, which all processes with the same open file would share.
 *
 * A FIFO is opened again, which creates an open file description of our own; a socket has a flag for each message.
 * Where neither is possible (a terminal; a pipe of another user), poll(2) is called before each piece.
 */
import { statSync } from "node:fs";
import type { Descriptors } from "./network/passed_descriptors.ts";
import { SystemCallError } from "./error.ts";
import type { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";

/** Bytes of a write that is atomic, and does not block once poll(2) reports the pipe as writable. pipe(7) */
const PIPE_BUF = 4096;
/** <sys/stat.h> */
const [S_IFMT, S_IFIFO, S_IFSOCK] = [0o170000, 0o010000, 0o140000];

/** How writes are kept from blocking: files never block; a flag of our own; or poll(2) before each. */
type Way = "always" | "fifo" | "socket" | "asking";

export class NonblockingWriter {
  /** Identifies the pipe or socket behind the descriptor; else null. */
  readonly identity: string | null;
  /** Bytes of a write that is not interleaved with those of other processes. */
  readonly pieceSize: number;
  readonly #way: Way;
  readonly #end: Fd;

  /**
   * @param own stays the caller's
   * @param canWait epoll accepts it; files, which epoll refuses, never block a writer
   */
  constructor(readonly descriptors: Descriptors, own: Fd, readonly canWait: boolean) {
    const path = `/proc/self/fd/${own.number}`;
    const { mode, dev, ino } = statSync(path);
    const type = mode & S_IFMT;
    const again = type === S_IFIFO ? openAgain(descriptors, path) : null;
    this.#end = again ?? descriptors.duplicate(own);
    if (!canWait) this.#way = "always";
    else if (type === S_IFSOCK) this.#way = "socket";
    else this.#way = again === null ? "asking" : "fifo";
    this.identity = type === S_IFIFO || type === S_IFSOCK ? `${dev}:${ino}` : null;
    this.pieceSize = canWait ? PIPE_BUF : Infinity;
  }

  get fd(): Fd {
    return this.#end;
  }

  /** @returns how many bytes were written, or null when it would have to wait */
  write(bytes: Uint8Array): number | null {
    if (this.#way === "socket") return this.#send(bytes);
    if (this.#way !== "asking") return this.descriptors.write(this.#end, bytes);
    if (!this.descriptors.isWritable(this.#end)) return null;
    return this.descriptors.write(this.#end, bytes.subarray(0, PIPE_BUF));
  }

  #send(bytes: Uint8Array): number | null {
    const { libc } = this.descriptors;
    const flags = C.MSG_DONTWAIT | C.MSG_NOSIGNAL;
    const count = libc.retry(() => libc.c.send(this.#end.number, bytes, bytes.length, flags));
    if (count < 0 && libc.errno === C.EAGAIN) return null;
    return libc.check(count, "send", `descriptor ${this.#end.number}`);
  }

  close(): void {
    this.#end.close();
  }
}

/** @returns null where it belongs to another user, or has lost its reader */
function openAgain(descriptors: Descriptors, path: string): Fd | null {
  try {
    return descriptors.open(path, C.O_WRONLY | C.O_NONBLOCK);
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  }
}
