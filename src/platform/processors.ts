/** How many processors the machine has. sysfs: Documentation/admin-guide/cputopology.rst */
import { readText } from "./process/proc.ts";

/** @returns one more than the highest number of one that is online, however many this process may use; 1 where unknown */
export function processorCount(read: (path: string) => string | null = readText): number {
  // "0-3,8-11"
  const highest = /(\d+)\s*$/.exec(read("/sys/devices/system/cpu/online") ?? "")?.[1];
  return Number(highest ?? 0) + 1;
}
