/**
 * One pipe that processes of a generation write to, and what becomes of it: whole lines go to baton's own output.
 *
 * A line that has no end yet is held back, so that what others print does not come into the middle of it; for
 * a moment only, because it may be a question to somebody at a terminal, or the dots of a progress bar.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { ownDescriptorTarget } from "../platform/process/proc.ts";
import type { Watch } from "../platform/reactor.ts";
import { type OwnOutput, OwnOutputs } from "./own_output.ts";
import { concatBytes } from "../platform/bytes.ts";

const NEWLINE = 10;
const NOTHING = new Uint8Array(0);
/** Most bytes read at once: what is in memory would be lost in a crash of baton. */
const CHUNK_SIZE = 16 * 1024;
/** Nothing has come for so long: no thread prints at this very moment. */
const QUIET_MS = 3;
/** Most bytes moved before everything else has its turn. */
const BURST = 256 * 1024;
/** How long a line waits for its end. */
const LINE_MS = 100;
/** A longer line is passed on in pieces. */
const LONGEST_LINE = 64 * 1024;
/** Most bytes read at a stretch from writers that may never stop: more than any pipe holds. */
const MOST_AT_ONCE = 2 * 1024 * 1024;
/** What was read last, of any stream: what of it cannot be passed on at once is copied. */
const scratch = new Uint8Array(CHUNK_SIZE);
/** <asm/page.h>: arm64 has pages of 4, 16 or 64 KiB. */
const LARGEST_PAGE = { x64: 4096, arm64: 64 * 1024 } as const;

interface OutputStreamOptions {
  /** 1 or 2. */
  readonly target: number;
  /** Our end; belongs to the stream. */
  readonly read: Fd;
  /** Whether we know everything that was ever in this pipe. */
  readonly isNew: boolean;
  /** All that comes, before it is passed on. */
  readonly onBytes: (bytes: Uint8Array) => void;
}

export class OutputStream {
  readonly target: number;
  readonly read: Fd;
  /** Our duplicate of baton's own descriptor `target`. */
  readonly own: Fd;
  /** The pipe as /proc names it, to recognise it in the server. */
  readonly identity: string;
  readonly #to: OwnOutput;
  /** Null once the server's ends are all closed. */
  #watch: Watch | null = null;
  #isWaiting = false;
  /** Read, and to be passed on as soon as there is room. */
  #unsent: Uint8Array = NOTHING;
  /** The beginning of a line. */
  #held: Uint8Array = NOTHING;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #capacity: number;
  #mayHaveBeenFull: boolean;
  #lastReadMs = -Infinity;
  readonly #onRoom = () => this.#onWritable();

  /** @throws {SystemCallError} EMFILE; `read` stays the caller's then */
  constructor(readonly platform: Platform, readonly options: OutputStreamOptions) {
    const { descriptors, reactor } = platform;
    ({ target: this.target, read: this.read } = options);
    this.identity = ownDescriptorTarget(this.read.number) ?? "";
    this.#mayHaveBeenFull = !options.isNew;
    this.#capacity = descriptors.pipeCapacity(this.read);
    this.own = descriptors.duplicate(this.target);
    let to: OwnOutput | null = null;
    try {
      to = OwnOutputs.of(platform).acquire(this.target, this.own);
      this.#watch = reactor.watch(this.read, () => this.#forward());
    } catch (error) {
      to?.release();
      this.own.close();
      throw error;
    }
    this.#to = to;
  }

  get isOpen(): boolean {
    return this.read.isOpen;
  }

  /** baton's own output can stand in for any pipe, because epoll takes it. */
  get leadsToPipe(): boolean {
    return this.#to.canWait;
  }

  /** What was read and not passed on. */
  get inHand(): Uint8Array {
    return concatBytes(this.#unsent, this.#held);
  }

  /** What another baton had in hand comes first. */
  replay(bytes: Uint8Array): void {
    this.#take(bytes);
    if (!this.#send()) this.#wait();
    this.#holdOn();
  }

  /** Gives the pipe so much room, if it may have that. */
  resize(capacity: number): void {
    const { descriptors } = this.platform;
    if (descriptors.resizePipe(this.read, capacity)) {
      this.#capacity = descriptors.pipeCapacity(this.read);
    }
  }

  /**
   * Every write so far was carried out whole and at once, whatever the writer asked for: so it waits for nothing.
   *
   * The pipe only fills between our reads, and what is in it then tells whether it was full. Its pages need not
   * be: a write that does not fit into what is left of the last one begins another. But two neighbours hold
   * more than a page together, so a pipe without room is full by half, less a page that we have begun to read.
   */
  get wasNeverFull(): boolean {
    return !this.#mayHaveBeenFull &&
      this.platform.descriptors.pipeCapacity(this.read) === this.#capacity;
  }

  #look(count: number): void {
    if (this.#mayHaveBeenFull || this.leadsToPipe) return;
    const { descriptors } = this.platform;
    const page = LARGEST_PAGE[descriptors.libc.runtime.arch];
    const held = count + descriptors.bytesInPipe(this.read);
    this.#mayHaveBeenFull = held > this.#capacity / 2 - page;
  }

  #forward(): void {
    for (let moved = 0; moved < BURST;) {
      if (!this.#send() || !this.#to.isReady) return this.#wait();
      const bytes = this.#next();
      if (bytes === null) break;
      if (bytes.length === 0) return this.close();
      moved += bytes.length;
      this.#take(bytes);
      if (bytes.length < CHUNK_SIZE) break;
    }
    if (!this.#send()) return this.#wait();
    this.#holdOn();
    this.#watch?.arm();
  }

  /** @returns null when there is nothing now, nothing at all at the end */
  #next(): Uint8Array | null {
    const bytes = this.platform.descriptors.read(this.read, scratch);
    if (bytes === null) return null;
    this.#lastReadMs = performance.now();
    this.#look(bytes.length);
    return bytes;
  }

  #take(bytes: Uint8Array): void {
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
    this.#holdNoMore();
  }

  /** @returns false when something is left */
  #send(): boolean {
    if (this.#unsent.length > 0) {
      const count = this.#to.write(this.#unsent);
      this.#unsent = count === this.#unsent.length ? NOTHING : this.#unsent.slice(count);
    }
    return this.#unsent.length === 0;
  }

  #sendHeld(): boolean {
    this.#unsent = this.inHand;
    this.#held = NOTHING;
    this.#holdNoMore();
    return this.#send();
  }

  #wait(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#holdNoMore();
    this.#to.callWhenWritable(this.#onRoom);
  }

  #onWritable(): void {
    this.#isWaiting = false;
    this.#forward();
  }

  #holdOn(): void {
    if (this.#held.length > 0) this.#timer ??= setTimeout(() => this.#onIdle(), LINE_MS);
  }

  #holdNoMore(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The line has waited long enough; unless its rest is there, and baton had no time to look. */
  #onIdle(): void {
    this.#timer = null;
    const held = this.#held;
    if (!this.#isWaiting) this.#forward();
    if (!this.#isWaiting && this.#held === held && !this.#sendHeld()) this.#wait();
  }

  /** Waits for at most a few milliseconds, to see whether more comes. */
  get isQuiet(): boolean {
    const quietMs = performance.now() - this.#lastReadMs;
    return quietMs >= QUIET_MS ||
      !this.platform.descriptors.hasInput(this.read, Math.ceil(QUIET_MS - quietMs));
  }

  /**
   * Passes on all that there is, without waiting.
   * @returns false when that cannot be done now
   */
  forwardAll(): boolean {
    const isDone = this.#emptyNow();
    // What was read is not in the pipe any more, whose watch would bring us back.
    if (this.#unsent.length > 0) this.#wait();
    else this.#holdOn();
    return isDone;
  }

  #emptyNow(): boolean {
    for (let moved = 0; moved < MOST_AT_ONCE;) {
      if (!this.#send() || !this.#to.isReady) return false;
      const bytes = this.#next();
      if (bytes === null) return this.#sendHeld();
      if (bytes.length === 0) return false;
      moved += bytes.length;
      this.#take(bytes);
    }
    return false;
  }

  /** The last words of a server that has ended: read at once, and passed on at once if there is room. */
  drain(): void {
    for (let moved = 0; this.isOpen && moved < MOST_AT_ONCE;) {
      const bytes = this.#next();
      if (bytes === null || bytes.length === 0) break;
      moved += bytes.length;
      this.#take(bytes);
      this.#send();
    }
    if (this.isOpen && !this.#sendHeld()) this.#wait();
  }

  close(): void {
    if (!this.isOpen) return;
    this.#to.writeLast(this.inHand);
    this.#unsent = this.#held = NOTHING;
    this.#holdNoMore();
    // Before the descriptor is closed: epoll would keep watching the file behind its number.
    this.#to.cancelWhenWritable(this.#onRoom);
    this.#watch?.cancel();
    this.#watch = null;
    this.read.close();
    this.own.close();
    this.#to.release();
  }
}
