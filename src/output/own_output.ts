/**
 * baton's own standard output or error, which the streams of all generations and hooks share. Nothing is lost, doubled
 * or mixed: a line that is too long to arrive in one piece is finished before the next one begins. Never waits: what
 * cannot be written now is not accepted. An output that fails (EPIPE, a full disk) swallows what it gets, as for a
 * server without baton that ignores the error.
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
/** Most bytes kept of closed streams, for a reader that may never come back. */
const MOST_KEPT = 2 * 1024 * 1024;

type OutputPlatform = Pick<Platform, "clock" | "descriptors" | "reactor">;

export class OwnOutput {
  users = 0;
  /** What is written before anything else: the rest of a line, or the last output of a closed stream. */
  #rest: Uint8Array = NOTHING;
  #watch: Watch | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly platform: OutputPlatform,
    readonly writer: NonblockingWriter,
    readonly onUnused: () => void,
  ) {}

  get isReady(): boolean {
    if (!this.#writeRest()) return false;
    return !this.writer.canWait || this.platform.descriptors.isWritable(this.writer.fd);
  }

  /** @returns how many of `bytes` were accepted, from the first on */
  write(bytes: Uint8Array): number {
    if (!this.#writeRest()) return 0;
    for (let at = 0; at < bytes.length;) {
      const piece = firstPiece(bytes.subarray(at), this.writer.pieceSize);
      const left = this.#tryWrite(piece);
      if (left.length === piece.length) return at;
      at += piece.length;
      if (left.length === 0) continue;
      this.#rest = left.slice();
      this.#watchRoom();
      return at;
    }
    return bytes.length;
  }

  /** Accepts all of the last output of a stream that is about to close. */
  writeLast(bytes: Uint8Array): void {
    const left = bytes.subarray(this.write(bytes));
    if (left.length === 0 || this.#rest.length + left.length > MOST_KEPT) return;
    this.#rest = concatBytes(this.#rest, left);
    this.#watchRoom();
  }

  callWhenWritable(onRoom: () => void): void {
    this.#waiting.add(onRoom);
    this.#watchRoom();
  }

  cancelWhenWritable(onRoom: () => void): void {
    this.#waiting.delete(onRoom);
    this.#closeIfUnused();
  }

  /** One user of this output closes. What is left of its output is still written. */
  release(): void {
    this.users--;
    this.#closeIfUnused();
  }

  /** Writes the rest, and blocks for that for at most `timeoutMs`. */
  flush(timeoutMs: number): void {
    const { clock, descriptors } = this.platform;
    const untilMs = clock.now() + timeoutMs;
    while (!this.#writeRest() && clock.now() < untilMs) {
      const leftMs = Math.ceil(untilMs - clock.now());
      descriptors.isWritable(this.writer.fd, Math.max(leftMs, 0));
    }
  }

  /** @returns false when part of it is left */
  #writeRest(): boolean {
    if (this.#rest.length > 0) this.#rest = this.#tryWrite(this.#rest);
    return this.#rest.length === 0;
  }

  /** @returns what could not be written now */
  #tryWrite(bytes: Uint8Array): Uint8Array {
    try {
      for (let left = bytes;;) {
        if (left.length === 0) return NOTHING;
        const count = this.writer.write(left);
        if (count === null) return this.writer.canWait ? left : NOTHING;
        left = left.subarray(count);
      }
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return NOTHING;
    }
  }

  #watchRoom(): void {
    this.#watch ??= this.platform.reactor.watch(this.writer.fd, () => this.#onRoom(), {
      write: true,
    });
  }

  #onRoom(): void {
    this.#watch?.cancel();
    this.#watch = null;
    if (!this.#writeRest()) return this.#watchRoom();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const onRoom of waiting) onRoom();
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#rest.length > 0 || this.#waiting.size > 0) return;
    this.#watch?.cancel();
    this.#watch = null;
    if (this.users > 0) return;
    this.writer.close();
    this.onUnused();
  }
}

/** baton's own outputs that are in use, of each platform: a process has one standard output. */
const inUse = new WeakMap<OutputPlatform, Map<string, OwnOutput>>();

/**
 * Standard output and error are one where they lead to the same pipe or socket: `2>&1`.
 * @param own baton's duplicate of descriptor `target`, which the caller still owns
 * @returns to be released
 */
export function acquireOutput(platform: OutputPlatform, target: number, own: Fd): OwnOutput {
  const used = inUse.get(platform) ?? new Map<string, OwnOutput>();
  inUse.set(platform, used);
  const writer = new NonblockingWriter(platform.descriptors, own, canWaitFor(platform, own));
  const key = writer.identity ?? `descriptor ${target}`;
  const known = used.get(key);
  const found = known ?? new OwnOutput(platform, writer, () => used.delete(key));
  if (known !== undefined) writer.close();
  used.set(key, found);
  found.users++;
  return found;
}

/** Before baton exits: writes what a slow reader has not read yet. */
export function flushOutputs(platform: OutputPlatform, timeoutMs: number): void {
  for (const output of inUse.get(platform)?.values() ?? []) output.flush(timeoutMs);
}

/** Whether it can be awaited that an output takes more: epoll refuses a file, which always does. */
function canWaitFor({ reactor }: OutputPlatform, fd: Fd): boolean {
  try {
    reactor.watch(fd, () => {}, {}).cancel();
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === C.EPERM) return false;
    throw error;
  }
}

/** As many whole lines as fit into `size` bytes; one line if that is longer; everything without a newline. */
function firstPiece(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length <= size) return bytes;
  const last = bytes.subarray(0, size).lastIndexOf(NEWLINE);
  if (last >= 0) return bytes.subarray(0, last + 1);
  const end = bytes.indexOf(NEWLINE, size);
  return end < 0 ? bytes : bytes.subarray(0, end + 1);
}
