/** The arithmetic of a grace period. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { budgetOf, isInPod, minDrainMs } from "../../../src/pod/budget.ts";

describe("budgetOf()", () => {
  const table: [string, Parameters<typeof budgetOf>[0], boolean, string][] = [
    [
      "fits the defaults into a pod's default grace period",
      { minDrainMs: 5_000, maxDrainMs: 20_000, graceMs: null, inPod: true },
      true,
      "5 s + 20 s + 3 s = 28 s of 30 s, the default: say --grace",
    ],
    [
      "counts the reserve",
      { minDrainMs: 5_000, maxDrainMs: 23_000, graceMs: 30_000, inPod: true },
      false,
      "5 s + 23 s + 3 s = 31 s of 30 s",
    ],
    [
      "fits to the millisecond",
      { minDrainMs: 500, maxDrainMs: 6_500, graceMs: 10_000, inPod: false },
      true,
      "0.5 s + 6.5 s + 3 s = 10 s of 10 s",
    ],
    [
      "knows no limit outside a pod",
      { minDrainMs: 0, maxDrainMs: 3_600_000, graceMs: null, inPod: false },
      true,
      "0 s + 3600 s + 3 s = 3603 s of an unknown grace period",
    ],
  ];
  for (const [name, request, fits, text] of table) {
    it(name, () => {
      const budget = budgetOf(request);
      assert.deepEqual([budget.fits, budget.text], [fits, text]);
    });
  }
});

describe("minDrainMs()", () => {
  it("is what was asked for, else 5 s in a pod and 0 elsewhere", () => {
    assert.deepEqual(
      [minDrainMs(0, true), minDrainMs(null, true), minDrainMs(null, false), minDrainMs(7, false)],
      [0, 5_000, 0, 7],
    );
  });
});

describe("isInPod()", () => {
  it("goes by the variable that every pod has", () => {
    assert.equal(isInPod({ KUBERNETES_SERVICE_HOST: "10.96.0.1" }), true);
    assert.equal(isInPod({ KUBERNETES_SERVICE_HOST: "" }), false);
    assert.equal(isInPod({}), false);
  });
});
