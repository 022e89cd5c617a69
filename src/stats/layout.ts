/** Where things are in the memory that batons of one service share (region.ts describes it). Pure. */
import { Slot, SLOT_SIZE, type StoredSeries } from "./slot.ts";

const MAGIC = "batonst\n";
const VERSION = 1;
/** Number of slots: two batons during an upgrade, and for each one more while it moves; one in reserve. */
const SLOTS = 5;
const FIRST_SLOT = 4096;
export const REGION_SIZE = FIRST_SLOT + SLOTS * SLOT_SIZE;
const MASK_WORD = 4;
const LOWER_HALF = 0xffff_ffffn;
const HALF = 32n;
/** How often a reader begins again: each change lasts some microseconds, and comes with an upgrade. */
const MOST_LOOKS = 100;

export function writeHeader(memory: Uint8Array): void {
  const view = viewOf(memory);
  memory.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, SLOTS, true);
  view.setBigUint64(16, BigInt(SLOT_SIZE), true);
  view.setBigUint64(24, BigInt(FIRST_SLOT), true);
}

/** @throws {Error} when this version cannot read what is there */
export function readHeader(memory: Uint8Array): void {
  const view = viewOf(memory);
  if (memory.length < REGION_SIZE || new TextDecoder().decode(memory.subarray(0, 8)) !== MAGIC) {
    throw new Error("these are no statistics of baton");
  }
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new Error(`its statistics have version ${version} of their layout, not ${VERSION}`);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

export function memoryOfSlot(memory: Uint8Array, index: number): Uint8Array {
  const start = FIRST_SLOT + index * SLOT_SIZE;
  return memory.subarray(start, start + SLOT_SIZE);
}

/** The word that says which slots count. */
export class SlotMask {
  readonly #words: BigUint64Array;
  readonly all: readonly number[] = Array.from({ length: SLOTS }, (_, i) => i);

  constructor(readonly memory: Uint8Array) {
    this.#words = new BigUint64Array(memory.buffer, memory.byteOffset, FIRST_SLOT / 8);
  }

  /** The slots that count. */
  get slots(): number[] {
    return this.#slotsIn(this.#word);
  }

  get #word(): bigint {
    return Atomics.load(this.#words, MASK_WORD);
  }

  #slotsIn(word: bigint): number[] {
    return this.all.filter((slot) => (word >> BigInt(slot)) & 1n);
  }

  /** Lets one slot come, and others go, at once. @param before is called with the number of the change */
  change(comes: number, go: readonly number[], before: (change: number) => void): void {
    for (;;) {
      const old = this.#word;
      const change = (old >> HALF) + 1n;
      let slots = (old & LOWER_HALF) | (1n << BigInt(comes));
      for (const slot of go) slots &= ~(1n << BigInt(slot));
      before(Number(change));
      const now = (change << HALF) | slots;
      if (Atomics.compareExchange(this.#words, MASK_WORD, old, now) === old) return;
    }
  }

  /** @returns what `look` finds in the slots that count, all of the same moment as far as that word is concerned */
  consistently<Found>(look: (slots: readonly number[]) => Found): Found {
    let found: Found;
    for (let i = 0;; i++) {
      const before = this.#word;
      found = look(this.#slotsIn(before));
      if (this.#word === before || i >= MOST_LOOKS) return found;
    }
  }
}

/** The series of each slot that counts, the oldest slot first. @throws {Error} when this version cannot read them */
export function readSlots(memory: Uint8Array): StoredSeries[][] {
  readHeader(memory);
  return new SlotMask(memory).consistently((slots) =>
    slots.map((index) => new Slot(memoryOfSlot(memory, index)))
      .sort((a, b) => a.joined - b.joined)
      .map((slot) => slot.series())
  );
}
