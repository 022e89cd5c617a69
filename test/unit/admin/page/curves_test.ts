/** Connections over time, as lines of a drawing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Curves } from "../../../../src/admin/page/curves.ts";

const VIEW = { fromMs: 10_000, toMs: 20_000 };
const SIZE = { width: 100, height: 50 };

function filled(...looks: readonly (readonly [atMs: number, ...counts: number[]])[]): Curves {
  const curves = new Curves();
  for (const [atMs, ...counts] of looks) curves.add(atMs, new Map(counts.entries()));
  return curves;
}

test("a curve goes through its points: x is time, y is down", () => {
  const curves = filled([10_000, 0], [15_000, 5], [20_000, 10]);
  assert.deepEqual(curves.in(VIEW, SIZE), [{ epoch: 0, path: "M0 50L50 25L100 0", latest: 10 }]);
});

test("a line comes in from the left of the view", () => {
  const curves = filled([5_000, 10], [15_000, 10]);
  assert.equal(curves.in(VIEW, SIZE)[0]?.path, "M-50 0L50 0");
});

test("a level stretch is two points, however many looks it has", () => {
  const looks = Array.from({ length: 50 }, (_, i) => [10_000 + i * 100, 5] as const);
  assert.equal(filled(...looks).in(VIEW, SIZE)[0]?.path, "M0 0L49 0");
});

test("the curve of a generation that has ended falls to 0, once", () => {
  const curves = filled([10_000, 10], [12_000], [14_000]);
  assert.equal(curves.in(VIEW, SIZE)[0]?.path, "M0 0L20 50");
  curves.forget(11_000);
  assert.equal(curves.in(VIEW, SIZE).length, 1);
  curves.forget(13_000);
  assert.equal(curves.in(VIEW, SIZE).length, 0);
});

for (
  const [highest, top] of [[0, 5], [5, 5], [6, 10], [10, 10], [11, 20], [21, 50], [999, 1_000], [
    1_001,
    2_000,
  ]] as const
) {
  test(`the scale reaches to ${top} for ${highest}`, () => {
    assert.equal(filled([15_000, highest]).top(VIEW), top);
  });
}
