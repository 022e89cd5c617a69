/** Whose a connection is, by its tag; and what is believed where the processes say otherwise. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { attribute, differences } from "../../../src/drain/attribution.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { GenerationTags } from "../../../src/steering/generation_tags.ts";

const [OLD, NEW, UNTAGGED] = [0, 1, 2];
const [OLDS, NEWS, UNKNOWN] = [1, 2, 9];

function tags(): GenerationTags {
  const made = new GenerationTags();
  for (const epoch of [OLD, NEW]) made.reserve(epoch, () => new Set());
  made.spoil(UNTAGGED, 0);
  return made;
}

/** Rows: inode is what a test names. */
function row(inode: number, tag?: number, state: number = C.TCP_ESTABLISHED) {
  return { state, inode, ...tag !== undefined && { tag } };
}

const ROWS = [
  row(10, OLDS),
  row(11, NEWS),
  row(0, OLDS),
  row(12, OLDS, C.TCP_LISTEN),
  row(13, OLDS, C.TCP_CLOSE_WAIT),
];
const inodes = (rows: readonly { inode: number }[]) => rows.map(({ inode }) => inode);

describe("attribute()", () => {
  const cases: [string, number, ReturnType<typeof row>[], number[], number[]][] = [
    ["those with its tag, once accepted", OLD, ROWS, [10, 13], []],
    ["another generation's are not uncertain", NEW, ROWS, [11], []],
    ["one without a tag is uncertain to all", NEW, [...ROWS, row(14, 0)], [11], [14]],
    ["one of which the kernel shows none, too", OLD, [row(10, OLDS), row(15)], [10], [15]],
    ["one with an unknown tag, too", OLD, [row(10, OLDS), row(16, UNKNOWN)], [10], [16]],
    ["of a generation without a tag all are uncertain", UNTAGGED, ROWS, [], [10, 11, 13]],
    ["so are they for one that is not known", 77, ROWS, [], [10, 11, 13]],
  ];
  for (const [name, epoch, rows, own, uncertain] of cases) {
    test(name, () => {
      const found = attribute(rows, epoch, tags());
      assert.deepEqual([inodes(found.own), inodes(found.uncertain)], [own, uncertain]);
    });
  }

  test("a queue that has passed on makes its tag uncertain, to both generations", () => {
    const ambiguous = tags();
    ambiguous.makeAmbiguous(OLDS);
    for (const [epoch, own] of [[OLD, []], [NEW, [11]]] as const) {
      const found = attribute(ROWS, epoch, ambiguous);
      assert.deepEqual([inodes(found.own), inodes(found.uncertain)], [own, [10, 13]]);
    }
  });

  test("one at another service's address is uncertain, although it has the tag", () => {
    const found = attribute(ROWS, OLD, tags(), ({ inode }) => inode !== 13);
    assert.deepEqual([inodes(found.own), inodes(found.uncertain)], [[10], [13]]);
  });

  test("of a service that is not baton's all are uncertain", () => {
    const found = attribute(ROWS, OLD, null);
    assert.deepEqual([inodes(found.own), inodes(found.uncertain)], [[], [10, 11, 13]]);
  });
});

describe("differences()", () => {
  const HIDDEN = null;
  const cases: [string, number[], number[] | typeof HIDDEN, number[], number[][]][] = [
    ["none", [1, 2], [1, 2], [], [[], [], []]],
    ["one that was passed to it", [1], [1, 2], [], [[2], [], []]],
    ["one that it has passed on", [1, 2], [1], [2], [[], [2], []]],
    ["one that both have open stays", [1, 2], [1, 2], [2], [[], [], []]],
    ["one whose process cannot be looked into stays", [1, 2], HIDDEN, [], [[], [], []]],
    ["the same, if the other one has it", [1, 2], HIDDEN, [2], [[], [2], []]],
    ["one of a process outside stays, and outlives it", [1, 2], [1], [3], [[], [], [2]]],
  ];
  for (const [name, tagged, own, others, expected] of cases) {
    test(name, () => {
      const open = { inodes: new Set(own ?? []), isAll: own !== HIDDEN };
      const { gained, given, outside } = differences(
        new Set(tagged),
        open,
        () => new Set(others),
      );
      assert.deepEqual([[...gained], [...given], [...outside]], expected);
    });
  }

  test("the other generation is looked into only if something is missing", () => {
    const look = () => assert.fail("it is looked into");
    assert.equal(
      differences(new Set([1]), { inodes: new Set([1]), isAll: true }, look).given.size,
      0,
    );
  });
});
