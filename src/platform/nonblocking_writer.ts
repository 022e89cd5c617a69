/**
 * Writes to a descriptor that other processes write to as well, without ever waiting for its reader, and
 * without a change that the others would notice: O_NONBLOCK belongs to all who share an open file.
 *
 * A FIFO is opened once more, which makes an open file of our own; a socket has a flag for each message. Where
 * neither can be had (a terminal; a pipe of another user) poll(2) is asked before each piece.
 */
import { statSync } from "node:fs";
import type { Descriptors } from "./network/passed_descriptors.ts";
import { SystemCallError } from "./error.ts";
import type { Fd } from "./fd.ts";
import { C } from "./libc/constants.ts";

/** What a pipe takes whole or not at all, and without waiting once poll(2) calls it writable. pipe(7) */
const PIPE_BUF = 4096;
/** <sys/stat.h> */
const [S_IFMT, S_IFIFO, S_IFSOCK] = [0o170000, 0o010000, 0o140000];

/** Whether its writes return at once: always, as of a file; with a flag of our own; or if poll(2) says so. */
type Way = "always" | "fifo" | "socket" | "asking";

export class NonblockingWriter {
  /** Names what it leads to, where it makes no difference through which open file: else null. */
  readonly identity: string | null;
  /** Up to so many bytes arrive in one piece, between what others write. */
  readonly pieceSize: number;
  readonly #way: Way;
  readonly #end: Fd;

  /**
   * @param own stays the caller's
   * @param canWait epoll takes it: what it refuses, as files, never makes a writer wait
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

  /** To wait at until it takes more. */
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
