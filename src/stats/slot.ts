/**
 * The series of one baton in a piece of memory that others may read at any time. Every number is a double in one aligned
 * word, written by one store: there is no moment in which half of it is new. Records are only added, and are complete
 * before the length that covers them is stored. Pure.
 *
 * Only 64-bit words are loaded by Atomics: compiled code of JavaScriptCore loads smaller ones by a locked write, which memory
 * that is mapped for reading does not allow (Bun 1.4.5, x64; findings/bun-atomics-load-writes.sh).
 *
 *   0   u64  bytes of records
 *   8   u64  process id of the writer, in its own PID namespace
 *   16  u64  count of changes of the region when this slot joined: the newest slot has the highest
 *   64  records, each a multiple of 8 bytes:
 *       0   u32  its size
 *       4   u8   1 counter, 2 gauge, 3 state, 4 histogram; readers skip others
 *       6   u16  number of its cells
 *       8   u32  1: the series is gone
 *       12  u32  length of its text
 *       16  f64  cells: one value; of a histogram the observations in each bucket, then their sum
 *       ... JSON, UTF-8: [name, labels, upper bounds]
 */
import type { Labels, SeriesKey, SeriesKind } from "./series.ts";

/** Bytes of a slot: room for some 250 series. */
export const SLOT_SIZE = 64 * 1024;
const SLOT_HEADER = 64;
const RECORD_HEADER = 16;
const WORD = 8;
const [USED_AT, PID_AT, JOINED_AT] = [0, 1, 2];
const GONE_MASK = 0xffff_ffffn;
const KINDS: readonly (SeriesKind | null)[] = [null, "counter", "gauge", "state", "histogram"];

/** A series as it is in a slot. */
export interface StoredSeries extends SeriesKey {
  readonly cells: readonly number[];
}

export class Slot {
  readonly #words: BigUint64Array;
  readonly #view: DataView;
  readonly #double = new Float64Array(1);
  readonly #bits = new BigUint64Array(this.#double.buffer);

  /** @param memory begins at a multiple of 8 */
  constructor(readonly memory: Uint8Array) {
    const { buffer, byteOffset, byteLength } = memory;
    this.#words = new BigUint64Array(buffer, byteOffset, byteLength / WORD);
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  /** Makes the slot empty. No reader may know it. */
  begin(pid: number): void {
    Atomics.store(this.#words, USED_AT!, 0n);
    Atomics.store(this.#words, PID_AT!, BigInt(pid));
  }

  set joined(change: number) {
    Atomics.store(this.#words, JOINED_AT!, BigInt(change));
  }

  get joined(): number {
    return Number(Atomics.load(this.#words, JOINED_AT!));
  }

  get #used(): number {
    const used = Number(Atomics.load(this.#words, USED_AT!));
    return Math.min(used, this.memory.length - SLOT_HEADER);
  }

  /** @returns the place of its first cell; null when there is no room */
  add({ name, kind, labels, buckets }: SeriesKey, values: readonly number[]): number | null {
    const text = new TextEncoder().encode(JSON.stringify([name, labels, buckets]));
    const start = SLOT_HEADER + this.#used;
    const textAt = RECORD_HEADER + values.length * WORD;
    const size = Math.ceil((textAt + text.length) / WORD) * WORD;
    if (start + size > this.memory.length) return null;
    this.#view.setUint32(start, size, true);
    this.#view.setUint8(start + 4, KINDS.indexOf(kind));
    this.#view.setUint16(start + 6, values.length, true);
    this.#view.setUint32(start + 8, 0, true);
    this.#view.setUint32(start + 12, text.length, true);
    this.memory.set(text, start + textAt);
    const cell = (start + RECORD_HEADER) / WORD;
    values.forEach((value, i) => this.write(cell + i, value));
    Atomics.store(this.#words, USED_AT!, BigInt(start + size - SLOT_HEADER));
    return cell;
  }

  write(cell: number, value: number): void {
    this.#double[0] = value;
    Atomics.store(this.#words, cell, this.#bits[0]!);
  }

  value(cell: number): number {
    this.#bits[0] = Atomics.load(this.#words, cell);
    return this.#double[0]!;
  }

  /** @param cell the first of the series */
  markGone(cell: number): void {
    // The word before the cells: its lower half is the flag.
    Atomics.or(this.#words, cell - 1, 1n);
  }

  /** All series that are not gone. What is malformed ends the list: another program may have written it. */
  series(): StoredSeries[] {
    const end = SLOT_HEADER + this.#used;
    const found: StoredSeries[] = [];
    for (let at = SLOT_HEADER; at + RECORD_HEADER <= end;) {
      const size = this.#view.getUint32(at, true);
      const cells = this.#view.getUint16(at + 6, true);
      const length = this.#view.getUint32(at + 12, true);
      const textAt = RECORD_HEADER + cells * WORD;
      if (size % WORD !== 0 || size < textAt + length || at + size > end) break;
      const kind = KINDS[this.#view.getUint8(at + 4)] ?? null;
      const isGone = (Atomics.load(this.#words, at / WORD + 1) & GONE_MASK) !== 0n;
      const text = this.memory.slice(at + textAt, at + textAt + length);
      const key = kind === null || isGone ? null : keyIn(text, kind, cells);
      const first = (at + RECORD_HEADER) / WORD;
      const values = Array.from({ length: cells }, (_, i) => this.value(first + i));
      if (key !== null) found.push({ ...key, cells: values });
      at += size;
    }
    return found;
  }
}

/** @returns null when it is not what `add` writes */
function keyIn(text: Uint8Array, kind: SeriesKind, cells: number): SeriesKey | null {
  try {
    const [name, labels, buckets] = JSON.parse(new TextDecoder().decode(text));
    const isKey = typeof name === "string" && isLabels(labels) && Array.isArray(buckets) &&
      buckets.every((bound) => typeof bound === "number");
    return isKey && cells === cellsOf({ kind, buckets }) ? { name, kind, labels, buckets } : null;
  } catch {
    return null;
  }
}

function isLabels(value: unknown): value is Labels {
  return typeof value === "object" && value !== null &&
    Object.values(value).every((label) => typeof label === "string");
}

/** How many cells a series has: a histogram one for each bucket, one for the infinite one, and one for the sum. */
export function cellsOf({ kind, buckets }: Pick<SeriesKey, "kind" | "buckets">): number {
  return kind === "histogram" ? buckets.length + 2 : 1;
}
