/** Which slots count changes at once: a reader sees the slots of one moment. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  memoryOfSlot,
  readSlots,
  REGION_SIZE,
  SlotMask,
  writeHeader,
} from "../../../src/stats/layout.ts";
import { mergeSeries, sampleOf } from "../../../src/stats/merge.ts";
import type { SeriesKey } from "../../../src/stats/series.ts";
import { Slot } from "../../../src/stats/slot.ts";

const KEY: SeriesKey = { name: "a_total", kind: "counter", labels: {}, buckets: [] };

function region(): Uint8Array {
  const memory = new Uint8Array(REGION_SIZE);
  writeHeader(memory);
  return memory;
}

/** Slot `index` counts `value` from here on, and those in `out` do not. */
function publish(memory: Uint8Array, index: number, key: SeriesKey, value: number, out: number[]) {
  const slot = new Slot(memoryOfSlot(memory, index));
  slot.begin(1);
  slot.add(key, [value]);
  new SlotMask(memory).change(index, out, (change) => slot.joined = change);
}

const valueIn = (memory: Uint8Array) => mergeSeries(readSlots(memory)).map(sampleOf)[0]?.value;

describe("readSlots()", () => {
  test("the slots that count, the oldest first, whatever their places", () => {
    const memory = region();
    assert.deepEqual(readSlots(memory), []);
    publish(memory, 3, KEY, 1, []);
    publish(memory, 0, KEY, 20, []);
    assert.deepEqual(readSlots(memory).flat().map(({ cells }) => cells[0]), [1, 20]);
    publish(memory, 1, KEY, 21, [0, 3]);
    assert.deepEqual(readSlots(memory).flat().map(({ cells }) => cells[0]), [21]);
  });

  test("counters are added, and of a state the newer slot's word counts", () => {
    const memory = region();
    publish(memory, 4, KEY, 1, []);
    publish(memory, 2, KEY, 20, []);
    assert.equal(valueIn(memory), 21);
    const state = { ...KEY, kind: "state" } as const;
    const other = region();
    publish(other, 4, state, 1, []);
    publish(other, 2, state, 20, []);
    assert.equal(valueIn(other), 20);
  });

  test("a change in the middle of a look makes the reader look again", () => {
    const memory = region();
    publish(memory, 0, KEY, 1, []);
    const mask = new SlotMask(memory);
    const looks: (readonly number[])[] = [];
    const seen = mask.consistently((slots) => {
      looks.push(slots);
      if (looks.length === 1) publish(memory, 1, KEY, 1, [0]);
      return slots;
    });
    assert.deepEqual(looks, [[0], [1]]);
    assert.deepEqual(seen, [1]);
  });

  test("a change there and back is a change", () => {
    const memory = region();
    publish(memory, 0, KEY, 1, []);
    let looks = 0;
    new SlotMask(memory).consistently(() => {
      if (++looks > 1) return;
      publish(memory, 1, KEY, 1, [0]);
      publish(memory, 0, KEY, 2, [1]);
    });
    assert.equal(looks, 2);
  });

  const refused: readonly (readonly [string, (view: DataView) => void, RegExp])[] = [
    [
      "another version",
      (view) => view.setUint32(8, 2, true),
      /have version 2 of their layout, not 1/,
    ],
    ["something else", (view) => view.setUint8(0, 0), /no statistics of baton/],
  ];
  for (const [what, spoil, message] of refused) {
    test(`${what} is refused`, () => {
      const memory = region();
      spoil(new DataView(memory.buffer));
      assert.throws(() => readSlots(memory), message);
    });
  }
});
