/** What baton itself uses, from the texts of /proc. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { ownUsage } from "../../../src/platform/own_usage.ts";

const FIELDS = Array.from({ length: 52 }, (_, index) => String(index + 1));
/** utime, stime, threads, starttime, vsize. */
const STAT: Readonly<Record<number, string>> = {
  14: "150",
  15: "50",
  20: "7",
  22: "1000",
  23: "8192",
};

function texts(files: Readonly<Record<string, string>>): (path: string) => string | null {
  return (path) => files[path] ?? null;
}

describe("ownUsage()", () => {
  it("reads each number from its place, whatever the name of the process is", () => {
    const rest = FIELDS.slice(2).map((text, index) => STAT[index + 3] ?? text).join(" ");
    const usage = ownUsage(
      process.pid,
      texts({
        "/proc/self/stat": `1 (a b) c) ${rest}`,
        "/proc/self/status": "Name:\tx\nVmRSS:\t    12 kB\nThreads:\t9\n",
        "/proc/stat": "cpu 1\nbtime 5000\n",
        "/proc/uptime": "12.50 99.00\n",
      }),
    );
    const { openDescriptors, descriptorLimit, ...read } = usage;
    assert.deepEqual(read, {
      cpuSeconds: 2,
      residentBytes: 12_288,
      virtualBytes: 8192,
      threads: 7,
      startedAtSeconds: 5010,
      uptimeSeconds: 2.5,
    });
    // Those are of this process.
    assert.ok((openDescriptors ?? 0) > 2 && (descriptorLimit ?? 0) > 2);
  });

  it("leaves out what cannot be read", () => {
    const { cpuSeconds, residentBytes, startedAtSeconds, uptimeSeconds } = ownUsage(
      process.pid,
      texts({}),
    );
    const unknown = [cpuSeconds, residentBytes, startedAtSeconds, uptimeSeconds];
    assert.deepEqual(unknown, [null, null, null, null]);
  });
});
