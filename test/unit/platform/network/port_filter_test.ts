/** The byte code that keeps sockets of some ports: run as the kernel runs it, after the checks that the kernel makes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  portFilter,
  type PortRange,
  rangesOf,
} from "../../../../src/platform/network/port_filter.ts";

const [JUMP, IS_AT_LEAST, IS_AT_MOST] = [1, 2, 3];
const OPERATION_SIZE = 4;

interface Operation {
  readonly code: number;
  readonly yes: number;
  readonly no: number;
}

function operationAt(filter: Uint8Array, at: number): Operation {
  const view = new DataView(filter.buffer, filter.byteOffset, filter.length);
  return { code: view.getUint8(at), yes: view.getUint8(at + 1), no: view.getUint16(at + 2, true) };
}

/** inet_diag_bc_run() */
function keeps(filter: Uint8Array, port: number): boolean {
  let at = 0;
  while (at < filter.length) {
    const { code, yes, no } = operationAt(filter, at);
    const operand = code === JUMP ? 0 : operationAt(filter, at + OPERATION_SIZE).no;
    const isMet = code === IS_AT_LEAST ? port >= operand : code === IS_AT_MOST && port <= operand;
    at += isMet ? yes : no;
  }
  return at === filter.length;
}

/** inet_diag_bc_audit() and valid_cc() */
function assertPermitted(filter: Uint8Array): void {
  const steps: number[] = [];
  for (let at = 0; at < filter.length; at += operationAt(filter, at).yes) steps.push(at);
  steps.push(filter.length);
  for (const at of steps.slice(0, -1)) {
    const { code, yes, no } = operationAt(filter, at);
    const least = code === JUMP ? OPERATION_SIZE : 2 * OPERATION_SIZE;
    for (const offset of [yes, no]) {
      assert.ok(offset >= least && offset % 4 === 0, `${offset} at ${at}`);
      assert.ok(at + offset <= filter.length + OPERATION_SIZE, `${offset} at ${at}`);
    }
    assert.ok(no + at > filter.length || steps.includes(at + no), `${no} at ${at}`);
  }
}

const CASES: [what: string, ranges: PortRange[], kept: number[], others: number[]][] = [
  ["one port", [[80, 80]], [80], [0, 79, 81, 65_535]],
  ["the lowest and the highest", [[0, 0], [65_535, 65_535]], [0, 65_535], [1, 65_534]],
  ["all", [[0, 65_535]], [0, 80, 65_535], []],
  ["a range", [[8000, 8003]], [8000, 8001, 8003], [7999, 8004]],
  ["some", [[80, 80], [443, 444], [9000, 9000]], [80, 443, 444, 9000], [79, 81, 442, 445, 9001]],
];

describe("portFilter()", () => {
  for (const [what, ranges, kept, others] of CASES) {
    test(what, () => {
      const filter = portFilter(ranges);
      assertPermitted(filter);
      assert.deepEqual([...kept, ...others].filter((port) => keeps(filter, port)), kept);
    });
  }

  test("as many as there may be", () => {
    const [ranges = []] = rangesOf(Array.from({ length: 10_000 }, (_, i) => 2 * i + 1));
    const filter = portFilter(ranges);
    assert.ok(filter.length < 2 ** 16 - OPERATION_SIZE, "an attribute's length has 16 bits");
    assertPermitted(filter);
    for (const [port] of [ranges[0]!, ranges.at(-1)!]) {
      assert.deepEqual([port - 1, port, port + 1].map((each) => keeps(filter, each)), [
        false,
        true,
        false,
      ]);
    }
  });
});

describe("rangesOf()", () => {
  const cases: [what: string, ports: number[], ranges: PortRange[][]][] = [
    ["none", [], []],
    ["one", [80], [[[80, 80]]]],
    ["neighbours, in any order, twice", [82, 80, 81, 80], [[[80, 82]]]],
    ["with a gap", [80, 82], [[[80, 80], [82, 82]]]],
  ];
  for (const [what, ports, ranges] of cases) {
    test(what, () => assert.deepEqual(rangesOf(ports), ranges));
  }

  test("more than fit into one filter", () => {
    const ports = Array.from({ length: 7_000 }, (_, i) => 2 * i);
    const parts = rangesOf(ports);
    assert.deepEqual(parts.map(({ length }) => length), [3_000, 3_000, 1_000]);
    assert.deepEqual(parts.flat().map(([port]) => port), ports);
  });
});
