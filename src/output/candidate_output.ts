/**
 * A candidate's standard output and error: forwards them to baton's own, and remembers the last lines for the report of
 * a reload. At its listen the server's descriptors 1 and 2 are replaced by baton's own; the pipes remain for processes
 * that still hold them (a parent shell). Never blocks: while baton's own output accepts no more, the pipe is not read,
 * and the writer waits as it would without baton.
 */
import type { Fd } from "../platform/fd.ts";
import {
  countThreads,
  waitsForRoom,
  type WritingEnd,
  writingEnds,
} from "../platform/process/pipe_holders.ts";
import type { Platform } from "../platform/platform.ts";
import { endOfFile, type FilePlace, readSince } from "../platform/files/own_file.ts";
import { epollWatchedInodes } from "../platform/process/proc.ts";
import { nextTurns, NO_TURNS, runningThreads, type Turns } from "../platform/process/rest.ts";
import { OutputStream } from "./output_stream.ts";

const TAIL_LINES = 100;
const TAIL_LINE_BYTES = 4096;
const NEWLINE = 10;
/** Lines of baton's own log, as log/logger.ts writes them. */
const OWN_LOG_LINE =
  /^(\d{4}-\d\d-\d\dT[\d:.]+Z baton\[|\{"time":"[\dT:.-]+Z","level":"[a-z]+","name":"[^"]*","message":")/;
/** Capacity of a pipe until the server listens, where the kernel permits it; and afterwards. */
const STARTUP_CAPACITY = 1024 * 1024;
const USUAL_CAPACITY = 64 * 1024;
/** A thread that is printing does so many times in this much processor time. */
const TURN_NS = 1_000_000;
/** Longest pause of a thread that is printing, while it has a processor when it wants one. */
const QUIET_MS = 3;
/** Between looks at threads that run, or wait for a processor: most sleep again within a fraction of a millisecond. */
const LOOK_MS = [0.1, 0.2, 0.4, 0.8, 1.6, ...Array<number>(10).fill(QUIET_MS)];

export class Tail {
  #lines: string[] = [];
  #partial = "";
  #decoder = new TextDecoder();

  add(bytes: Uint8Array): void {
    const from = startOfLast(bytes, TAIL_LINES + 1);
    if (from > 0) {
      // Nothing before it can still be among the last lines.
      this.#partial = "";
      this.#decoder = new TextDecoder();
    }
    const text = this.#decoder.decode(bytes.subarray(from), { stream: true });
    const parts = (this.#partial + text).split("\n");
    this.#partial = (parts.pop() ?? "").slice(-TAIL_LINE_BYTES);
    this.#lines.push(...parts.map((line) => line.slice(0, TAIL_LINE_BYTES)));
    if (this.#lines.length > TAIL_LINES) this.#lines = this.#lines.slice(-TAIL_LINES);
  }

  /** @returns at most `count` last lines, including an unfinished one */
  lines(count: number): string[] {
    const all = this.#partial === "" ? this.#lines : [...this.#lines, this.#partial];
    return count === 0 ? [] : all.slice(-count);
  }
}

/** Where the last `count` lines begin; 0 when there are fewer. */
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

interface PausedCaller {
  readonly notify: Fd;
  readonly id: bigint;
  readonly pid: number;
}

export class CandidateOutput {
  readonly tail = new Tail();
  readonly #streams: OutputStream[] = [];
  /** Where each file ended when the server's descriptors were replaced: its output is after that. */
  readonly #begin = new Map<string, FilePlace>();

  constructor(readonly platform: Platform, readonly onBytes: OutputObserver = () => {}) {}

  /**
   * @param captured which of 1 and 2 get a pipe; the others are baton's own
   * @param isTemporary the server's listen will replace them
   * @returns what the server gets as descriptors 1 and 2; close after the spawn
   * @throws {SystemCallError} EMFILE; `close` releases what was made already
   */
  open(captured: readonly number[] = [1, 2], isTemporary = false): [Fd | number, Fd | number] {
    const end = (target: number) =>
      captured.includes(target) ? this.#open(target, isTemporary) : target;
    const out = end(1);
    try {
      return [out, end(2)];
    } catch (error) {
      if (typeof out !== "number") out.close();
      throw error;
    }
  }

  #open(target: number, isTemporary: boolean): Fd {
    const { read, write } = this.platform.descriptors.pipe();
    try {
      this.platform.descriptors.setNonblocking(read);
      const stream = this.#follow(target, read, true);
      // All pipes of a user share a limit, so the room is given back after the listen.
      if (isTemporary && !stream.leadsToPipe) stream.resize(STARTUP_CAPACITY);
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

  /**
   * The last lines in baton's own output since the server prints there itself, where that is a file: its own, and
   * those of other generations.
   */
  linesSince(count: number): string[] {
    const lines = [...this.#begin.values()].flatMap((place) => readSince(place).split("\n"));
    return lines.filter((line) => line !== "" && !OWN_LOG_LINE.test(line)).slice(-count);
  }

  get openStreams(): readonly OutputStream[] {
    return this.#streams.filter(({ read }) => read.isOpen);
  }

  /** Owns `read` from now on. @param inHand what an earlier baton has read from it and not forwarded */
  resume(target: number, read: Fd, inHand: Uint8Array): void {
    const stream = this.#follow(target, read, false);
    if (inHand.length > 0) stream.replay(inHand);
  }

  /**
   * Replaces the descriptors of a process that waits in a trapped call by baton's own, where they
   * still are these pipes and everything in them was forwarded.
   * @param isPressing the server outlives the pipe, which ends with baton: lines out of order are better than none
   * @returns whether the server prints to baton's own output now; if not, it is forwarded as before
   */
  handOver(caller: PausedCaller, isPressing: boolean): boolean {
    let isDirect = false;
    for (const stream of this.openStreams) {
      if (this.#replace(stream, caller, isPressing)) isDirect = true;
      stream.resize(USUAL_CAPACITY);
    }
    return isDirect;
  }

  #replace(stream: OutputStream, { notify, id, pid }: PausedCaller, isPressing: boolean): boolean {
    const ends = this.#replaceable(stream, pid, isPressing);
    if (ends.length === 0 || !stream.forwardAll()) return false;
    const place = endOfFile(stream.target);
    if (place !== null && !this.#begin.has(place.identity)) this.#begin.set(place.identity, place);
    for (const { number, closeOnExec } of ends) {
      this.platform.seccomp.replaceDescriptor(notify, id, {
        source: stream.own,
        target: number,
        closeOnExec,
      });
    }
    // Other threads may have printed in the meantime.
    stream.forwardAll();
    return true;
  }

  /**
   * The descriptors that can be baton's own instead of the pipe, without the process noticing.
   *
   * - If another thread prints at this moment, one of its lines is in the pipe and its next one comes out first.
   *   The same holds for a write that waits for room: it ends where it began. On a busy machine silence means little:
   *   the thread may not have had a processor.
   * - A nonblocking writer keeps the rest of a short write in memory, and waits in epoll for room. If it waits
   *   already, the registration would go with the pipe, and the rest would never come. If it is about to (libuv
   *   registers before its next epoll_wait), epoll refuses a file with EPERM, and libuv aborts: so a file replaces
   *   a pipe only if no write can have been short.
   */
  #replaceable(stream: OutputStream, pid: number, isPressing: boolean): WritingEnd[] {
    const { arch } = this.platform.descriptors.libc;
    const ends = writingEnds(pid, stream.identity);
    const standard = ends.filter(({ number }) => number === 1 || number === 2);
    if (standard.length === 0 || !isPressing && waitsForRoom(pid, ends, arch)) return [];
    const [, inode = ""] = /^pipe:\[(\d+)\]$/.exec(stream.identity) ?? [];
    if (epollWatchedInodes(pid).has(Number(inode) >>> 0)) return [];
    const isNonblocking = ends.some((end) => end.isNonblocking);
    // From here on baton knows everything that any write so far has left in the pipe.
    if (!stream.forwardAll()) return [];
    if (isNonblocking && !stream.leadsToPipe && !stream.wasNeverFull) return [];
    // The only thread waits, so nothing is printed now, and no descriptor number can change its file.
    if (countThreads(pid) === 1) return ends;
    if (!isPressing && isPrinting(stream, pid)) return [];
    if (ends.length === standard.length) return ends;
    // Bun writes to a nonblocking duplicate; Deno keeps one for its children, and writes to 1 and 2.
    return isNonblocking ? [] : standard;
  }

  drain(): void {
    for (const stream of this.openStreams) stream.drain();
  }

  close(): void {
    for (const stream of this.openStreams) stream.close();
  }
}

/**
 * Whether a thread is printing. Blocks until the threads that run have had their turn: for a fraction of a millisecond, if
 * processors are free.
 */
function isPrinting(stream: OutputStream, pid: number): boolean {
  const look = (turns: Turns) => nextTurns(turns, runningThreads(pid), TURN_NS);
  let turns = look(NO_TURNS);
  if (!stream.isSilent && !stream.staysQuiet(QUIET_MS)) return true;
  for (const pauseMs of LOOK_MS) {
    turns = look(turns);
    if (turns.waiting.size === 0) return false;
    if (!stream.staysQuiet(pauseMs)) return true;
  }
  return true;
}
