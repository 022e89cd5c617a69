/**
 * baton's own standard output or error, as all who forward to it share it: the streams of every generation and
 * of the hooks.
 *
 * Nothing is lost, doubled or mixed: what was taken is written, whole lines at a time, and a line that is too
 * long to arrive in one piece is finished before anything else is begun. Never waits: what cannot be written
 * now is not taken, and who has it is called when there is room again. An output that fails (EPIPE, a full
 * disk) swallows what it is given, as it would for a server without baton that ignores the error.
 */
import { C } from "../platform/libc/constants.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { NonblockingWriter } from "../platform/nonblocking_writer.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { concatBytes } from "../platform/bytes.ts";

const NEWLINE = 10;
const NOTHING = new Uint8Array(0);
/** Most bytes kept of streams that have ended, for a reader that may never come back. */
const MOST_LEFT = 2 * 1024 * 1024;

type OutputPlatform = Pick<Platform, "descriptors" | "reactor">;

export class OwnOutput {
  users = 0;
  readonly #outlet: NonblockingWriter;
  /** What is to come out before anything else: the rest of a line, or the last words of a stream that has ended. */
  #rest: Uint8Array = NOTHING;
  #watch: Watch | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly platform: OutputPlatform,
    outlet: NonblockingWriter,
    readonly onUnused: () => void,
  ) {
    this.#outlet = outlet;
  }

  /** False for a file: it always takes more, and epoll refuses it. */
  get canWait(): boolean {
    return this.#outlet.canWait;
  }

  /** It takes something now. */
  get isReady(): boolean {
    if (!this.#finish()) return false;
    return !this.canWait || this.platform.descriptors.isWritable(this.#outlet.fd);
  }

  /** @returns how many of `bytes` were taken, from the first on */
  write(bytes: Uint8Array): number {
    if (!this.#finish()) return 0;
    for (let at = 0; at < bytes.length;) {
      const piece = firstPiece(bytes.subarray(at), this.#outlet.pieceSize);
      const left = this.#write(piece);
      if (left.length === piece.length) return at;
      at += piece.length;
      if (left.length === 0) continue;
      this.#rest = left.slice();
      this.#watchOut();
      return at;
    }
    return bytes.length;
  }

  /** Takes the last words of a stream that does not wait for them. */
  writeLast(bytes: Uint8Array): void {
    const left = bytes.subarray(this.write(bytes));
    if (left.length === 0 || this.#rest.length + left.length > MOST_LEFT) return;
    this.#rest = concatBytes(this.#rest, left);
    this.#watchOut();
  }

  /** Calls `onRoom` once, when it may take more. */
  callWhenWritable(onRoom: () => void): void {
    this.#waiting.add(onRoom);
    this.#watchOut();
  }

  cancelWhenWritable(onRoom: () => void): void {
    this.#waiting.delete(onRoom);
    this.#watchNoMore();
  }

  /** One user less. What was left is still written. */
  release(): void {
    this.users--;
    this.#watchNoMore();
  }

  /** Writes what was left, and waits for that for at most so long. */
  flush(timeoutMs: number): void {
    const until = performance.now() + timeoutMs;
    while (!this.#finish() && performance.now() < until) {
      const left = Math.ceil(until - performance.now());
      this.platform.descriptors.isWritable(this.#outlet.fd, Math.max(left, 0));
    }
  }

  /** @returns false when something unfinished is left */
  #finish(): boolean {
    if (this.#rest.length > 0) this.#rest = this.#write(this.#rest);
    return this.#rest.length === 0;
  }

  /** @returns what could not be written now */
  #write(bytes: Uint8Array): Uint8Array {
    try {
      for (let left = bytes;;) {
        if (left.length === 0) return NOTHING;
        const count = this.#outlet.write(left);
        if (count === null) return this.canWait ? left : NOTHING;
        left = left.subarray(count);
      }
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return NOTHING;
    }
  }

  #watchOut(): void {
    this.#watch ??= this.platform.reactor.watch(this.#outlet.fd, () => this.#onRoom(), {
      write: true,
    });
  }

  #onRoom(): void {
    this.#watch?.cancel();
    this.#watch = null;
    if (!this.#finish()) return this.#watchOut();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const onRoom of waiting) onRoom();
    this.#watchNoMore();
  }

  #watchNoMore(): void {
    if (this.#rest.length > 0 || this.#waiting.size > 0) return;
    this.#watch?.cancel();
    this.#watch = null;
    if (this.users > 0) return;
    this.#outlet.close();
    this.onUnused();
  }
}

/** All of baton's own outputs that are in use. */
export class OwnOutputs {
  static readonly #all = new WeakMap<object, OwnOutputs>();
  readonly #used = new Map<string, OwnOutput>();

  /** A process has one standard output. */
  static of(platform: OutputPlatform): OwnOutputs {
    const found = OwnOutputs.#all.get(platform) ?? new OwnOutputs(platform);
    OwnOutputs.#all.set(platform, found);
    return found;
  }

  constructor(readonly platform: OutputPlatform) {}

  /**
   * Standard output and error are one where they lead to one pipe or socket: `2>&1`.
   *
   * @param own our duplicate of descriptor `target`; stays the caller's. Release what is returned
   */
  acquire(target: number, own: Fd): OwnOutput {
    const outlet = new NonblockingWriter(
      this.platform.descriptors,
      own,
      canWaitFor(this.platform, own),
    );
    const key = outlet.identity ?? `descriptor ${target}`;
    const known = this.#used.get(key);
    const found = known ?? new OwnOutput(this.platform, outlet, () => this.#used.delete(key));
    if (known !== undefined) outlet.close();
    this.#used.set(key, found);
    found.users++;
    return found;
  }

  /** At the end of baton: what a slow reader has not taken yet. */
  flush(timeoutMs: number): void {
    for (const output of this.#used.values()) output.flush(timeoutMs);
  }
}

/** Asks epoll itself, which knows best what it takes. */
function canWaitFor({ reactor }: OutputPlatform, fd: Fd): boolean {
  try {
    reactor.watch(fd, () => {}, {}).cancel();
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === C.EPERM) return false;
    throw error;
  }
}

/** As many whole lines as fit into `size` bytes; one line, where that is longer; what there is without a line's end. */
function firstPiece(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length <= size) return bytes;
  const last = bytes.subarray(0, size).lastIndexOf(NEWLINE);
  if (last >= 0) return bytes.subarray(0, last + 1);
  const end = bytes.indexOf(NEWLINE, size);
  return end < 0 ? bytes : bytes.subarray(0, end + 1);
}
