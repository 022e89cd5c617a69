/** What shows that a process waits for something outside of it. proc(5) */
import { descriptorTarget, liveThreadOf, namesIn, processStat } from "./proc.ts";

/** Whether `pid` has an io_uring open: what it waits for there cannot be seen. */
export function hasRing(pid: number): boolean {
  const tid = liveThreadOf(pid);
  return namesIn(`/proc/${tid}/fd`).some((fd) =>
    descriptorTarget(tid, Number(fd)) === "anon_inode:[io_uring]"
  );
}

/** No thread of `pid` runs, or waits for a disk. The first one may have ended, and stays a zombie. */
export function isAsleep(pid: number): boolean {
  const states = namesIn(`/proc/${pid}/task`)
    .map((tid) => processStat(`${pid}/task/${tid}`)?.state ?? "Z")
    .filter((state) => state !== "Z");
  return states.length > 0 && states.every((state) => state === "S");
}
