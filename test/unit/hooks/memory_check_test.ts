/** Whether there is memory for a second copy, and what is said if not. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseMinFree } from "../../../src/config/values/memory_size.ts";
import { OF_MACHINE } from "../../../src/platform/memory.ts";
import { checkMemory, refusal } from "../../../src/hooks/memory_check.ts";

const MIB = 1 << 20;
const MACHINE = { freeBytes: 600 * MIB, totalBytes: 1000 * MIB, source: "machine" };
const CGROUP = { freeBytes: 50 * MIB, totalBytes: 200 * MIB, source: "cgroup" };
const PARENT = { freeBytes: 20 * MIB, totalBytes: 4000 * MIB, source: "parent" };

/** wanted, used MiB, readings, the reading that refuses with what it asks for */
const CASES: [string, number | null, (typeof MACHINE)[], RegExp | null][] = [
  ["600M", null, [MACHINE], null],
  ["601M", null, [MACHINE], /600 MiB free \(machine\), 601 MiB asked for \(--min-free 601M\)$/],
  ["50M", null, [MACHINE, CGROUP], null],
  ["51M", null, [MACHINE, CGROUP], /50 MiB free \(cgroup\), 51 MiB asked for/],
  ["700M", null, [MACHINE, CGROUP, PARENT], /20 MiB free \(parent\), 700 MiB asked for/],
  ["25%", null, [MACHINE, CGROUP], null],
  ["26%", null, [MACHINE, CGROUP], /50 MiB free \(cgroup\), 52 MiB asked for \(--min-free 26%\)$/],
  ["61%", null, [MACHINE], /600 MiB free \(machine\), 610 MiB asked for/],
  ["auto", 50, [MACHINE, CGROUP], null],
  ["auto", 51, [MACHINE, CGROUP], /51 MiB asked for \(--min-free auto, as much as the generation/],
  ["auto", null, [MACHINE, CGROUP, PARENT], null],
  ["0", null, [{ ...MACHINE, freeBytes: 0 }], null],
  ["1G", null, [], null],
];

describe("refusal()", () => {
  for (const [text, used, readings, expected] of CASES) {
    const where = readings.map(({ source }) => source).join(", ");
    it(`${text}, used ${used}, in ${where}: ${expected ?? "there is enough"}`, () => {
      const usedBytes = used === null ? null : used * MIB;
      const found = refusal({ wanted: parseMinFree(text), text, readings, usedBytes });
      if (expected === null) assert.equal(found, null);
      else assert.match(found ?? "", expected);
    });
  }
});

describe("checkMemory()", () => {
  it("says where the machine's memory is hidden, as with ProcSubset=pid", async () => {
    for (const source of [OF_MACHINE, "cgroup"]) {
      const warnings: string[] = [];
      const warn = (text: string) => warnings.push(text);
      const look = () => [{ ...MACHINE, source }];
      assert.match(await checkMemory("1T", () => [], warn, look) ?? "", /too little memory/);
      const hidden =
        "--min-free: /proc/meminfo cannot be read: only limits of control groups count";
      assert.deepEqual(warnings, source === OF_MACHINE ? [] : [hidden]);
    }
  });
});
