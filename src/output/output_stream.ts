/**
 * One pipe that processes of a generation write to: forwards whole lines to baton's own output. An unfinished line is
 * held back, so that no other output gets into the middle of it; only for a moment, because it may be a prompt at a
 * terminal, or the dots of a progress bar.
 */
import type { Timer } from "../platform/clock.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { descriptorTarget } from "../platform/process/proc.ts";
import type { Watch } from "../platform/reactor.ts";
import { acquireOutput, type OwnOutput } from "./own_output.ts";
import { concatBytes } from "../platform/bytes.ts";

const NEWLINE = 10;
const NOTHING = new Uint8Array(0);
/** Most bytes read at once: a crash of baton loses what is in memory. */
const CHUNK_SIZE = 16 * 1024;
/** Longest pause of a thread that is printing, on a busy machine. */
const SILENT_MS = 1_000;
/** Most bytes moved before the event loop gets its turn. */
const BURST = 256 * 1024;
export const LINE_MS = 100;
/** A longer line is forwarded in pieces. */
const LONGEST_LINE = 64 * 1024;
/** Most bytes read in a row from writers that may never stop: more than any pipe holds. */
const MOST_AT_ONCE = 2 * 1024 * 1024;
/** The latest read of any stream: what cannot be forwarded at once is copied. */
const scratch = new Uint8Array(CHUNK_SIZE);
/** <asm/page.h>: arm64 has pages of 4, 16 or 64 KiB. */
const LARGEST_PAGE = { x64: 4096, arm64: 64 * 1024 } as const;

interface OutputStreamOptions {
  /** 1 or 2. */
  readonly target: number;
  /** baton's end, which the stream owns. */
  readonly read: Fd;
  /** baton has seen everything that was ever in this pipe. */
  readonly isNew: boolean;
  readonly onBytes: (bytes: Uint8Array) => void;
}

export class OutputStream {
  readonly target: number;
  readonly read: Fd;
  /** A duplicate of baton's own descriptor `target`. */
  readonly own: Fd;
  /** The pipe as /proc names it, to recognize it in the server. */
  readonly identity: string;
  readonly #to: OwnOutput;
  /** Null once all ends of the server are closed. */
  #watch: Watch | null = null;
  #isWaiting = false;
  /** What was read, and is forwarded as soon as there is room. */
  #unsent: Uint8Array = NOTHING;
  /** The beginning of an unfinished line. */
  #held: Uint8Array = NOTHING;
  #timer: Timer | null = null;
  #capacity: number;
  #mayHaveBeenFull: boolean;
  #lastReadMs = -Infinity;
  readonly #onRoom = () => {
    this.#isWaiting = false;
    this.#forward();
  };

  /** @throws {SystemCallError} EMFILE; the caller then still owns `read` */
  constructor(readonly platform: Platform, readonly options: OutputStreamOptions) {
    const { descriptors, reactor } = platform;
    ({ target: this.target, read: this.read } = options);
    this.identity = descriptorTarget("self", this.read.number) ?? "";
    this.#mayHaveBeenFull = !options.isNew;
    this.#capacity = descriptors.pipeCapacity(this.read);
    this.own = descriptors.duplicate(this.target);
    let to: OwnOutput | null = null;
    try {
      to = acquireOutput(platform, this.target, this.own);
      this.#watch = reactor.watch(this.read, () => this.#forward());
    } catch (error) {
      to?.release();
      this.own.close();
      throw error;
    }
    this.#to = to;
  }

  /** Whether epoll accepts baton's own output, so that it can replace any pipe. */
  get leadsToPipe(): boolean {
    return this.#to.writer.canWait;
  }

  get inHand(): Uint8Array {
    return concatBytes(this.#unsent, this.#held);
  }

  replay(bytes: Uint8Array): void {
    this.#accept(bytes);
    if (!this.#sendUnsent()) this.#awaitRoom();
    this.#startHoldTimer();
  }

  resize(capacity: number): void {
    const { descriptors } = this.platform;
    if (descriptors.resizePipe(this.read, capacity)) {
      this.#capacity = descriptors.pipeCapacity(this.read);
    }
  }

  /**
   * Every write so far was carried out whole and at once, so the writer waits for nothing.
   *
   * The pipe only fills between two reads, and its content at a read shows whether it was full. A full pipe can have
   * room in its pages: a write that does not fit into the rest of the last one begins another. But two neighbors hold
   * more than a page together, so a pipe without room is at least half full, less a page that baton has begun to read.
   */
  get wasNeverFull(): boolean {
    return !this.#mayHaveBeenFull &&
      this.platform.descriptors.pipeCapacity(this.read) === this.#capacity;
  }

  #noteFill(count: number): void {
    if (this.#mayHaveBeenFull || this.leadsToPipe) return;
    const { descriptors } = this.platform;
    const page = LARGEST_PAGE[descriptors.libc.runtime.arch];
    const held = count + descriptors.bytesInPipe(this.read);
    this.#mayHaveBeenFull = held > this.#capacity / 2 - page;
  }

  #forward(): void {
    for (let moved = 0; moved < BURST;) {
      if (!this.#sendUnsent() || !this.#to.isReady) return this.#awaitRoom();
      const count = this.#pull();
      if (count === null) break;
      if (count === 0) return this.close();
      moved += count;
      if (count < CHUNK_SIZE) break;
    }
    if (!this.#sendUnsent()) return this.#awaitRoom();
    this.#startHoldTimer();
    this.#watch?.arm();
  }

  /** @returns how many bytes were read; null when the pipe is empty now, 0 when all its writers have closed it */
  #pull(): number | null {
    const bytes = this.platform.descriptors.read(this.read, scratch);
    if (bytes === null) return null;
    this.#lastReadMs = this.platform.clock.now();
    this.#noteFill(bytes.length);
    if (bytes.length > 0) this.#accept(bytes);
    return bytes.length;
  }

  #accept(bytes: Uint8Array): void {
    this.options.onBytes(bytes);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end === 0 && this.#held.length + bytes.length <= LONGEST_LINE) {
      this.#held = concatBytes(this.#held, bytes);
      return;
    }
    const whole = end === 0 ? bytes : bytes.subarray(0, end);
    const line = this.#held.length === 0 ? whole : concatBytes(this.#held, whole);
    this.#unsent = this.#unsent.length === 0 ? line : concatBytes(this.#unsent, line);
    this.#held = end === 0 || end === bytes.length ? NOTHING : bytes.slice(end);
    this.#stopHoldTimer();
  }

  /** Sends what was read. @returns false when something is left */
  #sendUnsent(): boolean {
    if (this.#unsent.length > 0) {
      const count = this.#to.write(this.#unsent);
      this.#unsent = count === this.#unsent.length ? NOTHING : this.#unsent.slice(count);
    }
    return this.#unsent.length === 0;
  }

  #sendHeld(): boolean {
    this.#unsent = this.inHand;
    this.#held = NOTHING;
    this.#stopHoldTimer();
    return this.#sendUnsent();
  }

  #awaitRoom(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#stopHoldTimer();
    this.#to.callWhenWritable(this.#onRoom);
  }

  #startHoldTimer(): void {
    if (this.#held.length > 0) {
      this.#timer ??= this.platform.clock.after(LINE_MS, () => this.#onHeldTooLong());
    }
  }

  #stopHoldTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Forwards the unfinished line, unless its rest has arrived and baton was too busy to read it. */
  #onHeldTooLong(): void {
    this.#timer = null;
    const held = this.#held;
    if (!this.#isWaiting) this.#forward();
    if (!this.#isWaiting && this.#held === held && !this.#sendHeld()) this.#awaitRoom();
  }

  /**
   * Whether nothing has come for long. Milliseconds say little: a thread that always prints may wait for a processor.
   */
  get isSilent(): boolean {
    return this.platform.clock.now() - this.#lastReadMs >= SILENT_MS;
  }

  /** Blocks for `ms`, or until more output comes. */
  staysQuiet(ms: number): boolean {
    return !this.platform.descriptors.hasInput(this.read, ms);
  }

  /** Forwards everything in the pipe, without waiting. @returns false when that is not possible now */
  forwardAll(): boolean {
    const isDone = this.#forwardAllNow();
    // Bytes that were read do not trigger the pipe's watch any more. Only an output that refuses them can be awaited.
    if (!this.#sendUnsent()) this.#awaitRoom();
    else this.#startHoldTimer();
    return isDone;
  }

  #forwardAllNow(): boolean {
    for (let moved = 0; moved < MOST_AT_ONCE;) {
      if (!this.#sendUnsent() || !this.#to.isReady) return false;
      const count = this.#pull();
      if (count === null) return this.#sendHeld();
      if (count === 0) return false;
      moved += count;
    }
    return false;
  }

  /** The server has exited: reads the rest at once, and forwards it at once if there is room. */
  drain(): void {
    for (let moved = 0; this.read.isOpen && moved < MOST_AT_ONCE;) {
      const count = this.#pull();
      if (count === null || count === 0) break;
      moved += count;
      this.#sendUnsent();
    }
    if (this.read.isOpen && !this.#sendHeld()) this.#awaitRoom();
  }

  close(): void {
    if (!this.read.isOpen) return;
    this.#to.writeLast(this.inHand);
    this.#unsent = this.#held = NOTHING;
    this.#stopHoldTimer();
    // Before the descriptor is closed: epoll would go on watching the file behind its number.
    this.#to.cancelWhenWritable(this.#onRoom);
    this.#watch?.cancel();
    this.#watch = null;
    this.read.close();
    this.own.close();
    this.#to.release();
  }
}
