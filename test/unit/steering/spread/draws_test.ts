/** Connections by the processor that they come in on: programs run by an interpreter that reads their encoded bytes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  assemble,
  MAX_INSTRUCTIONS,
  type MemberChoice,
  programFor,
} from "../../../../src/steering/bpf_program.ts";
import { run, syn, trace } from "../../../support/cbpf.ts";

const PROBE_PORT = 40_001;
const ADDRESS = Uint8Array.of(127, 0, 0, 2);

describe("by processor", () => {
  // [members in the order of the workers, processors, member of each processor]
  const cases: [string, number[], number, number[]][] = [
    ["as many members as processors", [0, 1, 2, 3], 4, [0, 1, 2, 3]],
    ["behind others in the kernel's array", [5, 6, 7, 8], 4, [5, 6, 7, 8]],
    ["in the order of the workers, not of the array", [8, 6, 7, 5], 4, [8, 6, 7, 5]],
    ["a replaced worker stands last in the array", [0, 4, 2, 3], 4, [0, 4, 2, 3]],
    ["fewer members than processors", [3, 4], 5, [3, 4, 3, 4, 3]],
    ["one member", [7], 2, [7, 7]],
  ];
  for (const [name, receiving, processors, expected] of cases) {
    it(name, () => {
      const program = programFor({ receiving, draw: { processors } });
      const noDice = () => assert.fail("no dice are thrown");
      const seen = range(processors).map((processor) => run(program, at(processor), noDice));
      assert.deepEqual(seen, expected);
    });
  }

  for (const [count, processors] of [[4, 2], [3, 2], [64, 48], [5, 1]] as const) {
    it(`leaves none of ${count} members without connections on ${processors} processors`, () => {
      const receiving = range(count).map((i) => 2 * i + 1).reverse();
      const program = programFor({ receiving, draw: { processors } });
      const seen = range(processors).flatMap((processor) =>
        range(count).map((dice) => run(program, at(processor), () => dice))
      );
      assert.deepEqual(new Set(seen), new Set(receiving));
    });
  }

  it("gives a candidate its share at random, and spreads that by processor", () => {
    const share = { percent: 50, members: [7, 6] };
    const program = programFor({ receiving: [0, 1], share, draw: { processors: 2 } });
    const members = (dice: number) => [0, 1].map((cpu) => run(program, at(cpu), () => dice));
    assert.deepEqual(members(4_999), [7, 6]);
    assert.deepEqual(members(5_000), [0, 1]);
  });

  it("comes after a probe's test", () => {
    const probe = { port: PROBE_PORT, address: ADDRESS, members: [5] };
    const program = programFor({ receiving: [0, 1], probe, draw: { processors: 2 } });
    const packet = syn({ version: 4, sourcePort: PROBE_PORT, source: ADDRESS, processor: 1 });
    assert.equal(run(program, packet, () => 0), 5);
    assert.equal(run(program, at(1), () => 0), 1);
  });
});

describe("64 workers in no order, a canary of 64 and a probe", () => {
  const members = range(64).map((i) => (i * 29) % 64);
  const probe = { port: PROBE_PORT, address: new Uint8Array(16), members: [200] };
  const choice = (draw: MemberChoice["draw"]): MemberChoice => ({
    receiving: members.map((i) => 2 * i),
    share: { percent: 12.34, members: members.map((i) => 2 * i + 1) },
    probe,
    ...draw && { draw },
  });
  for (const draw of ["random", { processors: 64 }, { processors: 3 }] as const) {
    it(`is far from the limits: ${JSON.stringify(draw)}`, () => {
      const { length } = assemble(choice(draw));
      assert.ok(length < MAX_INSTRUCTIONS / 10, `${length} instructions`);
      const packet = syn({ version: 6, sourcePort: 9, processor: 63 });
      const { steps } = trace(programFor(choice(draw)), packet, () => 0xffffffff);
      assert.ok(steps < 40, `${steps} steps`);
    });
  }
});

function at(processor: number) {
  return syn({ version: 4, sourcePort: 5, processor });
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
