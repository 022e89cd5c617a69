/** The records of a slot are what a reader finds, of whatever version and however damaged they are. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SeriesKey } from "../../../src/stats/series.ts";
import { Slot, SLOT_SIZE } from "../../../src/stats/slot.ts";

const KEY: SeriesKey = { name: "a_total", kind: "counter", labels: { x: "1" }, buckets: [] };
const HISTOGRAM: SeriesKey = { name: "h_seconds", kind: "histogram", labels: {}, buckets: [1, 2] };

function filled(): { slot: Slot; memory: Uint8Array; view: DataView } {
  const memory = new Uint8Array(SLOT_SIZE);
  const slot = new Slot(memory);
  slot.add(KEY, [4]);
  slot.add(HISTOGRAM, [1, 2, 3, 9.5]);
  return { slot, memory, view: new DataView(memory.buffer) };
}

const WHOLE = [{ ...KEY, cells: [4] }, { ...HISTOGRAM, cells: [1, 2, 3, 9.5] }];

describe("Slot", () => {
  test("what was added is read, with the values of now", () => {
    const { slot } = filled();
    assert.deepEqual(slot.series(), WHOLE);
    const cell = slot.add({ ...KEY, name: "b_total" }, [0])!;
    slot.write(cell, 2 ** 53);
    assert.equal(slot.value(cell), 2 ** 53);
    assert.deepEqual(slot.series().at(-1)?.cells, [2 ** 53]);
    slot.markGone(cell);
    assert.deepEqual(slot.series(), WHOLE);
  });

  test("every cell is one aligned word, whatever the length of names", () => {
    const slot = new Slot(new Uint8Array(SLOT_SIZE));
    for (let length = 1; length < 20; length++) {
      const cell = slot.add({ ...KEY, name: "n".repeat(length) }, [length])!;
      assert.ok(Number.isInteger(cell));
      assert.equal(slot.value(cell), length);
    }
    assert.equal(slot.series().length, 19);
  });

  const firstSize = 16 + 8 + Math.ceil('["a_total",{"x":"1"},[]]'.length / 8) * 8;
  const second = 64 + firstSize;
  type Damage = readonly [what: string, spoil: (view: DataView) => void, left: typeof WHOLE];
  const damages: readonly Damage[] = [
    ["a kind of a later version is skipped", (view) => view.setUint8(64 + 4, 9), [WHOLE[1]!]],
    ["a text that is no JSON is skipped", (view) => view.setUint8(64 + 24, 0), [WHOLE[1]!]],
    ["a number of cells that does not fit is skipped", (view) => {
      view.setUint16(second + 6, 3, true);
    }, [WHOLE[0]!]],
    ["a record without a size ends the list", (view) => {
      view.setUint32(second, 0, true);
    }, [WHOLE[0]!]],
    ["one beyond the end ends the list", (view) => {
      view.setUint32(second, 0x7fff_fff8, true);
    }, [WHOLE[0]!]],
    ["a length beyond the slot", (view) => view.setBigUint64(0, 2n ** 60n, true), WHOLE],
    ["nothing", (view) => view.setBigUint64(0, 0n, true), []],
  ];
  for (const [what, spoil, left] of damages) {
    test(what, () => {
      const { slot, view } = filled();
      spoil(view);
      assert.deepEqual(slot.series(), left);
    });
  }

  test("a series that does not fit is refused, and the slot stays as it was", () => {
    const { slot } = filled();
    assert.equal(slot.add({ ...KEY, labels: { x: "y".repeat(SLOT_SIZE) } }, [1]), null);
    assert.deepEqual(slot.series(), WHOLE);
  });
});
