/**
 * A candidate's standard output and error: forwarded to baton's own, and the last lines remembered
 * for the verdict of a reload. At its listen the server's descriptors 1 and 2 are replaced by
 * baton's own, and what is left here is for processes that still hold the pipe (a parent shell).
 *
 * Never blocks: when baton's own output cannot take more, the pipe is not read, and the writer waits
 * as it would without baton.
 */
import type { Fd } from "../platform/fd.ts";
import {
  countThreads,
  waitsForRoom,
  type WritingEnd,
  writingEnds,
} from "../platform/process/pipe_holders.ts";
import type { Platform } from "../platform/platform.ts";
import { epollWatchedInodes } from "../platform/process/proc.ts";
import { OutputStream } from "./output_stream.ts";

/** Lines and bytes remembered. */
const TAIL_LINES = 100;
const TAIL_LINE_BYTES = 4096;
const NEWLINE = 10;
/** Of a pipe until the server listens, if it may be so large; and afterwards. */
const ROOMY = 1024 * 1024;
const USUAL = 64 * 1024;

/** The last lines of a stream of text. */
export class Tail {
  #lines: string[] = [];
  #partial = "";
  #decoder = new TextDecoder();

  add(bytes: Uint8Array): void {
    const from = startOfLast(bytes, TAIL_LINES + 1);
    if (from > 0) {
      // Nothing before that will ever be shown.
      this.#partial = "";
      this.#decoder = new TextDecoder();
    }
    const text = this.#decoder.decode(bytes.subarray(from), { stream: true });
    const parts = (this.#partial + text).split("\n");
    this.#partial = (parts.pop() ?? "").slice(-TAIL_LINE_BYTES);
    this.#lines.push(...parts.map((line) => line.slice(0, TAIL_LINE_BYTES)));
    if (this.#lines.length > TAIL_LINES) this.#lines = this.#lines.slice(-TAIL_LINES);
  }

  /** @returns at most `count` last lines, an unfinished one included */
  lines(count: number): string[] {
    const all = this.#partial === "" ? this.#lines : [...this.#lines, this.#partial];
    return count === 0 ? [] : all.slice(-count);
  }
}

/** Where the last `count` lines begin; 0 where there are not so many. */
function startOfLast(bytes: Uint8Array, count: number): number {
  let at = bytes.length;
  for (let left = count; left > 0; left--) {
    at = at === 0 ? -1 : bytes.lastIndexOf(NEWLINE, at - 1);
    if (at < 0) return 0;
  }
  return at + 1;
}

/** @param stream 1 or 2 */
export type OutputObserver = (stream: number, bytes: Uint8Array) => void;

/** A process that waits in a trapped call. */
interface PausedCaller {
  readonly notify: Fd;
  readonly id: bigint;
  readonly pid: number;
}

export class CandidateOutput {
  readonly tail = new Tail();
  readonly #streams: OutputStream[] = [];
  /** @param onBytes sees everything that comes through the pipes */
  constructor(readonly platform: Platform, readonly onBytes: OutputObserver = () => {}) {}

  /**
   * Makes the pipes.
   * @param captured those of 1 and 2 that get one; the others are baton's own
   * @param isForNow they are to be replaced at its listen
   * @returns what the server gets as descriptors 1 and 2; close after the spawn
   * @throws {SystemCallError} EMFILE; what there is already goes with `close`
   */
  open(captured?: undefined, isForNow?: boolean): [Fd, Fd];
  open(captured: readonly number[], isForNow?: boolean): [Fd | number, Fd | number];
  open(captured: readonly number[] = [1, 2], isForNow = false): [Fd | number, Fd | number] {
    const end = (target: number) =>
      captured.includes(target) ? this.#open(target, isForNow) : target;
    const out = end(1);
    try {
      return [out, end(2)];
    } catch (error) {
      if (typeof out !== "number") out.close();
      throw error;
    }
  }

  #open(target: number, isForNow: boolean): Fd {
    const { read, write } = this.platform.descriptors.pipe();
    try {
      this.platform.descriptors.setNonblocking(read);
      const stream = this.#follow(target, read, true);
      // All pipes of a user share a limit, so it is given back after the listen.
      if (isForNow && !stream.leadsToPipe) stream.resize(ROOMY);
    } catch (error) {
      read.close();
      write.close();
      throw error;
    }
    return write;
  }

  #follow(target: number, read: Fd, isNew: boolean): OutputStream {
    const onBytes = (bytes: Uint8Array) => {
      this.tail.add(bytes);
      this.onBytes(target, bytes);
    };
    const stream = new OutputStream(this.platform, { target, read, isNew, onBytes });
    this.#streams.push(stream);
    return stream;
  }

  /** Our ends of the pipes that somebody may still write to. */
  get ends(): readonly OutputStream[] {
    return this.#streams.filter(({ isOpen }) => isOpen);
  }

  /**
   * Forwards what comes out of `read`, which it takes over. @param target 1 or 2
   * @param inHand what another baton has read from it and not passed on
   */
  resume(target: number, read: Fd, inHand: Uint8Array): void {
    const stream = this.#follow(target, read, false);
    if (inHand.length > 0) stream.replay(inHand);
  }

  /**
   * Puts baton's own descriptors over those of the process that waits in a trapped call, where they
   * still are our pipes, and everything that was printed before is out.
   *
   * @param isPressing the pipe ends with baton, and the server does not: rather lines in another order than none
   * @returns whether it prints to baton's own output now; if not, it is forwarded as before
   */
  handOver(caller: PausedCaller, isPressing: boolean): boolean {
    let isDirect = false;
    for (const stream of this.ends) {
      if (this.#replace(stream, caller, isPressing)) isDirect = true;
      stream.resize(USUAL);
    }
    return isDirect;
  }

  #replace(stream: OutputStream, { notify, id, pid }: PausedCaller, isPressing: boolean): boolean {
    const ends = this.#replaceable(stream, pid, isPressing);
    if (ends.length === 0 || !stream.forwardAll()) return false;
    for (const { number, closeOnExec } of ends) {
      this.platform.seccomp.replaceDescriptor(notify, id, {
        source: stream.own,
        target: number,
        closeOnExec,
      });
    }
    // Other threads may have printed meanwhile.
    stream.forwardAll();
    return true;
  }

  /**
   * What of the process can be baton's own descriptor instead of the pipe, without a difference to it.
   *
   * - Another thread that prints at this very moment would have one line in the pipe and the next one out before
   *   it. The same for a write that waits for room: it is carried out where it was begun.
   * - A writer that does not wait in write(2) keeps the rest in memory, and asks epoll when there is room. If it has
   *   asked, the registration would go with the pipe, and the rest would never come. If it is about to ask (libuv
   *   does before its next epoll_wait), a file is refused with EPERM, and libuv aborts: so a file takes the place of
   *   a pipe only where no write can have been cut short.
   */
  #replaceable(stream: OutputStream, pid: number, isPressing: boolean): WritingEnd[] {
    const { arch } = this.platform.descriptors.libc;
    const ends = writingEnds(pid, stream.identity);
    const standard = ends.filter(({ number }) => number === 1 || number === 2);
    if (standard.length === 0 || !isPressing && waitsForRoom(pid, ends, arch)) return [];
    const [, inode = ""] = /^pipe:\[(\d+)\]$/.exec(stream.identity) ?? [];
    if (epollWatchedInodes(pid).has(Number(inode) >>> 0)) return [];
    const isNonblocking = ends.some((end) => end.isNonblocking);
    // After this everything is known that any write so far has left in the pipe.
    if (!stream.forwardAll()) return [];
    if (isNonblocking && !stream.leadsToPipe && !stream.wasNeverFull) return [];
    // With one thread, which waits, nothing can be printed now, and no number can come to mean another file.
    if (countThreads(pid) === 1) return ends;
    if (!isPressing && !stream.isQuiet) return [];
    if (ends.length === standard.length) return ends;
    // Bun writes to a duplicate that does not block; Deno keeps one for its children, and writes to 1 and 2.
    return isNonblocking ? [] : standard;
  }

  /** Reads what is left without waiting: the last words of a server that has ended. */
  drain(): void {
    for (const stream of this.ends) stream.drain();
  }

  close(): void {
    for (const stream of this.ends) stream.close();
  }
}
