/** What shows that a process waits for something outside of it. proc(5) */
import { readdirSync } from "node:fs";
import { descriptorTarget, processStat } from "./proc.ts";

/** Whether `pid` has an io_uring open: what it waits for there cannot be seen. */
export function hasRing(pid: number): boolean {
  return numbersIn(`/proc/${pid}/fd`).some((fd) =>
    descriptorTarget(pid, fd) === "anon_inode:[io_uring]"
  );
}

/** No thread of `pid` runs, or waits for a disk. */
export function isAsleep(pid: number): boolean {
  const states = numbersIn(`/proc/${pid}/task`)
    .map((tid) => processStat(`${pid}/task/${tid}`)?.state ?? "S");
  return states.length > 0 && states.every((state) => state === "S");
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number);
  } catch {
    return [];
  }
}
