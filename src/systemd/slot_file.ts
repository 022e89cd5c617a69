/**
 * A text in memory that is rewritten often and outlives its writer, memfd_create(2): a reader finds the last text
 * that was written completely.
 *
 * Two slots are written in turn, each with a number and a checksum: a writer that is killed halfway has only spoiled
 * the older text.
 */
import { readFileSync } from "node:fs";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";

/** Bytes of a slot: the longest text, and its header. */
export const SLOT_SIZE = 1024 * 1024;
const HEADER_SIZE = 64;
const HEADER = /^(\d+) (\d+) (\d+) *\n/;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

interface SlotText {
  /** Grows with every text, also over several files. */
  readonly number: number;
  readonly text: string;
}

export class SlotFile {
  readonly fd: Fd;
  #number: number;

  /** @param after the first text has a number above this one */
  constructor(readonly platform: Platform, after = 0) {
    this.fd = platform.descriptors.memfd("baton-state");
    this.#number = after;
  }

  /** @throws {RangeError} when it is too long; the previous text then stays */
  write(text: string): void {
    const content = new TextEncoder().encode(text);
    const { length } = content;
    if (length > SLOT_SIZE - HEADER_SIZE) {
      throw new RangeError(`Cannot keep a state of ${length} bytes: ${SLOT_SIZE} at most`);
    }
    const number = this.#number + 1;
    const header = `${number} ${length} ${checksum(content)}`.padEnd(HEADER_SIZE - 1);
    const bytes = new Uint8Array(HEADER_SIZE + length);
    bytes.set(new TextEncoder().encode(`${header}\n`));
    bytes.set(content, HEADER_SIZE);
    this.platform.descriptors.writeAt(this.fd, bytes, (number % 2) * SLOT_SIZE);
    this.#number = number;
  }
}

/** @returns the newest whole text behind `fd`, null when there is none */
export function readSlots(fd: Fd): SlotText | null {
  const bytes = readFileSync(`/proc/self/fd/${fd.number}`);
  return newestOf([readSlot(bytes.subarray(0, SLOT_SIZE)), readSlot(bytes.subarray(SLOT_SIZE))]);
}

export function newestOf(texts: readonly (SlotText | null)[]): SlotText | null {
  return texts.filter((text) => text !== null).sort((a, b) => b.number - a.number)[0] ?? null;
}

function readSlot(bytes: Uint8Array): SlotText | null {
  const decode = (part: Uint8Array) => new TextDecoder().decode(part);
  const header = HEADER.exec(decode(bytes.subarray(0, HEADER_SIZE)));
  if (header === null) return null;
  const [number = 0, length = 0, sum = 0] = header.slice(1).map(Number);
  const content = bytes.subarray(HEADER_SIZE, HEADER_SIZE + length);
  if (content.length !== length || checksum(content) !== sum) return null;
  return { number, text: decode(content) };
}

/** A checksum, FNV-1a: detects incomplete texts, not forged ones. */
function checksum(bytes: Uint8Array): number {
  let hash = FNV_OFFSET;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash >>> 0;
}
