/** How many workers `auto` is: the affinity mask, and the quota of each cgroup, of both versions. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { processorCount, runnablePerProcessor } from "../../../src/platform/processors.ts";

const V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";

function count(allowed: string | null, files: Record<string, string> = {}): number {
  const status = allowed === null ? "Name: x\n" : `Name: x\nCpus_allowed_list:\t${allowed}\n`;
  const all: Record<string, string> = { "/proc/self/status": status, ...files };
  return processorCount((path) => all[path] ?? null);
}

function v2(quota: string, above = "max 100000") {
  return {
    "/proc/self/cgroup": "0::/a/b\n",
    "/proc/self/mountinfo": V2,
    "/sys/fs/cgroup/a/cpu.max": `${above}\n`,
    "/sys/fs/cgroup/a/b/cpu.max": `${quota}\n`,
  };
}

function v1(quota: string) {
  return {
    "/proc/self/cgroup": "4:cpu,cpuacct:/a\n",
    "/proc/self/mountinfo": V1,
    "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": `${quota}\n`,
    "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
  };
}

describe("processorCount()", () => {
  const table: [what: string, found: () => number, expected: number][] = [
    ["one", () => count("3"), 1],
    ["a range", () => count("0-7"), 8],
    ["ranges, and single ones", () => count("0-3,8,10-11"), 7],
    ["unknown", () => count(null), 1],
    ["no quota", () => count("0-3", v2("max 100000")), 4],
    ["a quota of two and a half is rounded", () => count("0-7", v2("250000 100000")), 3],
    ["less than one is one", () => count("0-7", v2("20000 100000")), 1],
    ["the quota of a cgroup above", () => count("0-7", v2("max 100000", "200000 100000")), 2],
    ["a quota above what the mask allows", () => count("0-1", v2("800000 100000")), 2],
    ["version 1", () => count("0-7", v1("300000")), 3],
    ["version 1 without a quota", () => count("0-7", v1("-1")), 8],
  ];
  for (const [what, found, expected] of table) {
    test(`${what}: ${expected}`, () => assert.equal(found(), expected));
  }
});

describe("runnablePerProcessor()", () => {
  const table: [what: string, loadavg: string | null, allowed: string, expected: number | null][] =
    [
      ["one of two", "0.50 0.40 0.30 1/120 4242\n", "0-1", 0.5],
      ["more than there are processors", "20.11 18.00 9.30 27/512 4242\n", "0-1", 13.5],
      ["no such file", null, "0-1", null],
      ["another format", "0.50 0.40\n", "0-1", null],
    ];
  for (const [what, loadavg, allowed, expected] of table) {
    test(what, () => {
      const files: Record<string, string | null> = {
        "/proc/loadavg": loadavg,
        "/proc/self/status": `Cpus_allowed_list:\t${allowed}\n`,
      };
      assert.equal(runnablePerProcessor((path) => files[path] ?? null), expected);
    });
  }
});
