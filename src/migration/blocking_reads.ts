/**
 * Whether the processes of a generation read their connections in blocking mode: once woken they must not find the
 * connection paused (sample.ts).
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { type ConnectionState, isPaused } from "./connection_state.ts";
import { isBlocking, pause, resume, type Sample } from "./sample.ts";

const ENOUGH_NONBLOCKING_READS = 20;

export class BlockingReads {
  /** Whether a connection was seen in blocking mode. */
  mayBlock = false;
  /** Samples right after a read of the server that showed a non-blocking socket. */
  #nonblockingReads = 0;

  constructor(readonly platform: Platform) {}

  blocks(socket: Fd): boolean {
    const blocks = isBlocking(this.platform, socket);
    this.mayBlock ||= blocks;
    return blocks;
  }

  /**
   * Notes two samples of a connection that does not block. If data arrived between them, a server that switches to
   * blocking mode for a read might have been caught.
   */
  note(before: Sample | null, after: Sample): void {
    const hasMoved = before !== null && before.read + before.unread !== after.read + after.unread;
    if (hasMoved) this.#nonblockingReads++;
  }

  /** Pauses the connection, unless the server might read it meanwhile. @returns whether it is paused */
  pause(socket: Fd, sample: Sample): boolean {
    if (!this.#mayPause(socket, sample)) return false;
    pause(this.platform, socket);
    if (!this.#hasWoken(socket, sample)) return true;
    resume(this.platform, socket);
    return false;
  }

  /**
   * Whether a connection may be paused. Some servers wait in select(2) and then read in blocking mode: with such a
   * server, and until enough reads were seen, only connections without unread data are paused; one in blocking mode
   * never.
   */
  #mayPause(socket: Fd, { unread }: Sample): boolean {
    return !this.blocks(socket) && (unread === 0 || this.#isSure);
  }

  /**
   * Whether a pause has come too late: what had come before it has woken a server of that kind, which has yet to read.
   * The connection must be resumed before it does.
   * @param before the sample that the pause rests on
   */
  #hasWoken(socket: Fd, before: Sample): boolean {
    if (this.#isSure) return false;
    const received = this.platform.sockDiag.trafficOf(socket)?.bytesReceived;
    return received !== before.read + before.unread || this.blocks(socket);
  }

  /**
   * Whether a paused connection was read all the same: baton has not resumed it soon enough, and that read waits for
   * more.
   */
  isStuck(before: ConnectionState | null, { read }: Sample): boolean {
    return this.mayBlock && before !== null && isPaused(before) && read > before.lastRead;
  }

  get #isSure(): boolean {
    return !this.mayBlock && this.#nonblockingReads >= ENOUGH_NONBLOCKING_READS;
  }
}
