/** Who gets the connections of a group, from what is known of its generations. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemberChoice, selectionOf } from "../../../src/steering/member_choice.ts";
import type { Selection } from "../../../src/steering/bpf_program.ts";

const address = new Uint8Array([127, 0, 0, 1]);
const ONE: Selection = { kind: "one", index: 0 };
const probe = (members: number[]) => ({ port: 4_000, address, members });

describe("selectionOf()", () => {
  const table: [string, Partial<MemberChoice>, Selection][] = [
    ["one", {}, ONE],
    ["several", { receiving: [0, 2] }, { kind: "spread", indices: [0, 2] }],
    [
      "a canary",
      { share: { percent: 10, members: [1] } },
      { kind: "share", percent: 10, candidate: [1], others: [0] },
    ],
    ["a canary of nothing", { share: { percent: 0, members: [1] } }, ONE],
    ["a canary of all", { share: { percent: 100, members: [1] } }, { kind: "one", index: 1 }],
    ["a canary without members", { share: { percent: 100, members: [] } }, ONE],
    [
      "a probe",
      { probe: probe([1, 2]) },
      {
        kind: "probe",
        sourcePort: 4_000,
        sourceAddress: address,
        candidate: [1, 2],
        others: ONE,
      },
    ],
    ["a probe of nobody", { probe: probe([]) }, ONE],
    [
      "a probe beside a canary",
      { probe: probe([1]), share: { percent: 25, members: [1] } },
      {
        kind: "probe",
        sourcePort: 4_000,
        sourceAddress: address,
        candidate: [1],
        others: { kind: "share", percent: 25, candidate: [1], others: [0] },
      },
    ],
  ];
  for (const [name, choice, expected] of table) {
    it(name, () => {
      const whole = { receiving: [0], share: null, probe: null, ...choice };
      assert.deepEqual(selectionOf(whole), expected);
    });
  }
});
