/** What `--min-free` takes, and how memory is told to people. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatBytes, parseMinFree } from "../../../../src/config/values/memory_size.ts";

const MIB = 1 << 20;

describe("parseMinFree()", () => {
  const sizes: [string, number][] = [
    ["0", 0],
    ["67108864", 64 * MIB],
    ["64M", 64 * MIB],
    [" 64m ", 64 * MIB],
    ["64MiB", 64 * MIB],
    ["64MB", 64 * MIB],
    ["1.5G", 1536 * MIB],
    ["2K", 2048],
    ["1T", 1024 * 1024 * MIB],
  ];
  for (const [text, bytes] of sizes) {
    it(`reads "${text}"`, () => assert.deepEqual(parseMinFree(text), { kind: "bytes", bytes }));
  }

  for (const [text, percent] of [["0%", 0], ["10%", 10], ["12.5%", 12.5], ["100%", 100]] as const) {
    it(`reads "${text}"`, () => assert.deepEqual(parseMinFree(text), { kind: "percent", percent }));
  }

  it('reads "auto"', () => assert.deepEqual(parseMinFree("auto"), { kind: "auto" }));

  for (
    const text of [
      "",
      "M",
      "-1",
      "1X",
      "1 M",
      "1e9",
      "0x10",
      "101%",
      "%",
      "Auto!",
      "9e99",
      "9999999T",
    ]
  ) {
    it(`refuses "${text}"`, () => {
      assert.throws(() => parseMinFree(text), /^UserError: Cannot read memory size/);
    });
  }
});

describe("formatBytes()", () => {
  const texts: [number, string][] = [
    [0, "0 bytes"],
    [1023, "1023 bytes"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [64 * MIB, "64 MiB"],
    [1000.4 * MIB, "1000 MiB"],
    [1.5 * 1024 * MIB, "1.5 GiB"],
    [2 ** 60, "1048576 TiB"],
  ];
  for (const [bytes, text] of texts) {
    it(`writes ${text}`, () => assert.equal(formatBytes(bytes), text));
  }
});
