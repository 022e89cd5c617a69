/** Descriptors of the test's own process: to assert that a test left none behind. */
import { readdirSync, readlinkSync } from "node:fs";

/** Number to target of each open descriptor that is a pipe, socket, memfd or anonymous file. */
export function openDescriptors(): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      if (/^(pipe|socket|anon_inode|\/memfd)/.test(target)) found.set(Number(name), target);
    } catch {
      // The descriptor that listed the folder.
    }
  }
  return found;
}

/** What is open now and was not in `before`; empty = nothing leaked. */
export function leakedSince(before: ReadonlyMap<number, string>): string[] {
  return [...openDescriptors()]
    .filter(([number, target]) => before.get(number) !== target)
    .map(([number, target]) => `${number} -> ${target}`);
}
