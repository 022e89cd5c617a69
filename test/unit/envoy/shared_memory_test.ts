/** The memory of Envoy's hot restart: the bytes are those that 1.36.2 and 1.40.0 had (x64). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { markIn, memoryIn } from "../../../src/envoy/shared_memory.ts";

function memory(size: number, version: number, flags: number, length = size): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(size), true);
  if (length >= 16) view.setBigUint64(8, BigInt(version), true);
  if (length >= size) view.setBigUint64(size - 8, BigInt(flags), true);
  return bytes;
}

describe("markIn()", () => {
  const table: readonly (readonly [
    what: string,
    bytes: Uint8Array,
    expected: { isSet: boolean; at: number; cleared: number } | string,
  ])[] = [
    ["x64, nothing starts", memory(104, 11, 0), { isSet: false, at: 96, cleared: 0 }],
    ["x64, one starts", memory(104, 11, 1), { isSet: true, at: 96, cleared: 0 }],
    ["arm64, one starts", memory(120, 11, 1), { isSet: true, at: 112, cleared: 0 }],
    ["other flags stay", memory(104, 11, 5), { isSet: true, at: 96, cleared: 4 }],
    ["another version", memory(104, 12, 1), "12.104"],
    ["another layout", memory(112, 11, 1), "11.112"],
    ["a file that is too short", memory(104, 11, 1, 90), "11.104"],
    ["an empty file", new Uint8Array(0), "0 bytes"],
  ];
  for (const [what, bytes, expected] of table) {
    test(what, () => {
      const mark = markIn(bytes);
      if (typeof expected === "string") return assert.deepEqual(mark, { unknown: expected });
      assert.ok(!("unknown" in mark));
      const cleared = Number(new DataView(mark.cleared.buffer).getBigUint64(0, true));
      assert.deepEqual({ ...mark, cleared }, expected);
    });
  }
});

describe("memoryIn()", () => {
  const LINE = "7f7b7cb41000-7f7b7cb42000 rw-s 00000000 00:1b 318523                     ";
  const table: readonly (readonly [maps: string, expected: ReturnType<typeof memoryIn>])[] = [
    ["", null],
    [`${LINE}/dev/shm/other_memory_1\n`, null],
    [
      `1-2 r--p 0 00:00 0 [heap]\n${LINE}/dev/shm/envoy_shared_memory_770\n1-2 r--p 0 00:00 0\n`,
      { path: "/dev/shm/envoy_shared_memory_770", isGone: false },
    ],
    [`${LINE}/dev/shm/envoy_shared_memory_0 (deleted)\n`, {
      path: "/dev/shm/envoy_shared_memory_0",
      isGone: true,
    }],
    [`${LINE}/tmp/dev/shm/envoy_shared_memory_0x\n`, null],
  ];
  for (const [maps, expected] of table) {
    test(JSON.stringify(maps.slice(-60)), () => assert.deepEqual(memoryIn(maps), expected));
  }
});
