/** Where free memory is read from: the machine, and each cgroup that has a limit, of both versions. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryReadings } from "../../../src/platform/memory.ts";

const MEMINFO = "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    400 kB\n";
const MACHINE = {
  freeBytes: 400 * 1024,
  totalBytes: 1000 * 1024,
  source: "MemAvailable in /proc/meminfo",
};
const V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
  "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

function readings(files: Record<string, string>) {
  return memoryReadings((path) => files[path] ?? null);
}

/** Files of one cgroup, version 2. */
function v2(path: string, max: string, current: number, inactive = 0): Record<string, string> {
  return {
    [`${path}/memory.max`]: `${max}\n`,
    [`${path}/memory.current`]: `${current}\n`,
    [`${path}/memory.stat`]: `anon 5\nfile 9\ninactive_file ${inactive}\nactive_file 3\n`,
  };
}

function v1(path: string, limit: string, usage: number, inactive = 0): Record<string, string> {
  return {
    [`${path}/memory.limit_in_bytes`]: `${limit}\n`,
    [`${path}/memory.usage_in_bytes`]: `${usage}\n`,
    [`${path}/memory.stat`]: `inactive_file 999999\ntotal_inactive_file ${inactive}\n`,
  };
}

describe("memoryReadings()", () => {
  it("reads the machine's", () => {
    assert.deepEqual(readings({ "/proc/meminfo": MEMINFO }), [MACHINE]);
  });

  it("says nothing where nothing can be read", () => {
    assert.deepEqual(readings({}), []);
    assert.deepEqual(readings({ "/proc/meminfo": "MemTotal: 5 kB\n" }), []);
  });

  it("takes the limits of the own cgroup and of those above it (v2)", () => {
    const found = readings({
      "/proc/meminfo": MEMINFO,
      "/proc/self/cgroup": "0::/a/b\n",
      "/proc/self/mountinfo": V2,
      ...v2("/sys/fs/cgroup/a/b", "1000", 700, 200),
      ...v2("/sys/fs/cgroup/a", "max", 700),
    });
    const source = "/sys/fs/cgroup/a/b/memory.max";
    assert.deepEqual(found, [MACHINE, { freeBytes: 500, totalBytes: 1000, source }]);
  });

  it("takes the limit of a cgroup above, where the own has none", () => {
    const [reading] = readings({
      "/proc/self/cgroup": "0::/a/b\n",
      "/proc/self/mountinfo": V2,
      ...v2("/sys/fs/cgroup/a/b", "max", 10),
      ...v2("/sys/fs/cgroup/a", "500", 600, 50),
    });
    assert.deepEqual(reading, {
      ...{ freeBytes: 0, totalBytes: 500, source: "/sys/fs/cgroup/a/memory.max" },
    });
  });

  it("takes those of version 1, whose no limit is a huge number", () => {
    const found = readings({
      "/proc/self/cgroup": "5:cpu:/x\n4:memory:/c:1/d\n0::/\n",
      "/proc/self/mountinfo": V1,
      ...v1("/sys/fs/cgroup/memory/c:1/d", "1000", 900, 100),
      ...v1("/sys/fs/cgroup/memory/c:1", "9223372036854771712", 900),
      ...v1("/sys/fs/cgroup/memory", "9223372036854771712", 900),
    });
    const source = "/sys/fs/cgroup/memory/c:1/d/memory.limit_in_bytes";
    assert.deepEqual(found, [{ freeBytes: 200, totalBytes: 1000, source }]);
  });

  it("finds them in a container, which sees a part of the hierarchy", () => {
    const found = readings({
      "/proc/self/cgroup": "4:memory:/docker/abc/srv\n",
      "/proc/self/mountinfo":
        "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
      ...v1("/sys/fs/cgroup/memory/srv", "300", 100),
      ...v1("/sys/fs/cgroup/memory", "400", 100),
    });
    assert.deepEqual(found.map(({ freeBytes, source }) => [freeBytes, source]), [
      [200, "/sys/fs/cgroup/memory/srv/memory.limit_in_bytes"],
      [300, "/sys/fs/cgroup/memory/memory.limit_in_bytes"],
    ]);
  });
});
