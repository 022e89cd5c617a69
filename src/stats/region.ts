/**
 * The memory in which all batons of one service count, one after the other: a memfd that is passed on from each to the
 * next, and that outlives a baton that is killed (--survive).
 *
 *   0    8 bytes  "batonst\n"
 *   8    u32      version of this layout
 *   12   u32      number of slots
 *   16   u64      size of a slot
 *   24   u64      place of the first one
 *   32   u64      which slots count: a bit for each in the lower half; in the upper half the number of changes of this word
 *   4096 slots (slot.ts)
 *
 * All in the byte order of the machine. A slot has one writer, which holds a lock on the byte of the file with the slot's
 * number: during an upgrade two batons count, each in its own. A reader adds up the slots that count, and begins again if
 * the word at 32 has changed meanwhile. The slot of a baton that has ended becomes part of another one's by one change of
 * that word: in no moment is something counted twice, or not at all.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { mapShared, sharedMemory, tryLockByte, unlockByte } from "../platform/shared_memory.ts";
import { memoryOfSlot, readHeader, REGION_SIZE, SlotMask, writeHeader } from "./layout.ts";
import type { SharedSlots } from "./registry.ts";
import { Slot, type StoredSeries } from "./slot.ts";

/** The name of the file, a part of what /proc/PID/maps shows. */
export const REGION_NAME = "baton-stats";

type Parts = Pick<Platform, "libc" | "descriptors" | "runtime">;

export class Region implements SharedSlots {
  readonly #mask: SlotMask;
  /** The file of `fd`, opened again: locks belong to the open file, which is passed on with `fd`. */
  readonly #own: Fd;
  #current: number | null = null;
  #next: { readonly index: number; readonly slot: Slot } | null = null;
  /** Slots of batons that have ended, locked by this one. */
  readonly #left = new Set<number>();

  private constructor(
    readonly platform: Parts,
    /** The memory, for the next baton. */
    readonly fd: Fd,
    readonly memory: Uint8Array,
  ) {
    this.#mask = new SlotMask(memory);
    this.#own = platform.descriptors.open(`/proc/self/fd/${fd.number}`, C.O_RDWR);
  }

  static create(platform: Parts): Region {
    const fd = sharedMemory(platform, REGION_NAME, REGION_SIZE);
    const memory = mapShared(platform.libc, fd, REGION_SIZE, "write");
    writeHeader(memory);
    return new Region(platform, fd, memory);
  }

  /** @param fd what an earlier baton has left. @throws {Error} when this version cannot count there */
  static continue(platform: Parts, fd: Fd): Region {
    const memory = mapShared(platform.libc, fd, REGION_SIZE, "write");
    readHeader(memory);
    return new Region(platform, fd, memory);
  }

  obtain(): Slot | null {
    const live = this.#mask.slots;
    const index = this.#mask.all.find((slot) => !live.includes(slot) && this.#lock(slot));
    if (index === undefined) return null;
    const slot = new Slot(memoryOfSlot(this.memory, index));
    slot.begin(this.platform.runtime.pid);
    this.#next = { index, slot };
    return slot;
  }

  leftBehind(): StoredSeries[] {
    for (const slot of this.#mask.slots) {
      if (slot !== this.#current && !this.#left.has(slot) && this.#lock(slot)) this.#left.add(slot);
    }
    return [...this.#left].flatMap((slot) => this.#seriesOf(slot));
  }

  publish(): void {
    if (this.#next === null) return;
    const { index, slot } = this.#next;
    const out = [...this.#left, ...this.#current === null ? [] : [this.#current]];
    this.#mask.change(index, out, (change) => slot.joined = change);
    this.#current = index;
    this.#next = null;
    this.#left.clear();
    for (const each of out) unlockByte(this.platform.libc, this.#own, each);
  }

  ofOthers(): StoredSeries[][] {
    return this.#mask.consistently((slots) =>
      slots.filter((slot) => slot !== this.#current).map((slot) => this.#seriesOf(slot))
    );
  }

  #seriesOf(index: number): StoredSeries[] {
    return new Slot(memoryOfSlot(this.memory, index)).series();
  }

  #lock(slot: number): boolean {
    return tryLockByte(this.platform.libc, this.#own, slot);
  }

  close(): void {
    this.#own.close();
    this.fd.close();
  }
}
