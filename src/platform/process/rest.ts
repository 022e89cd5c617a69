/** What shows that a process waits for something outside of it. proc(5) */
import { descriptorTarget, liveThreadOf, namesIn, processStat, readText } from "./proc.ts";

/** Whether `pid` has an io_uring open: what it waits for there cannot be seen. */
export const hasRing = (pid: number): boolean => hasAnonymous(pid, "io_uring");

/** Whether `pid` has an epoll instance. */
export const hasEventLoop = (pid: number): boolean => hasAnonymous(pid, "eventpoll");

function hasAnonymous(pid: number, kind: string): boolean {
  const tid = liveThreadOf(pid);
  return namesIn(`/proc/${tid}/fd`).some((fd) =>
    descriptorTarget(tid, Number(fd)) === `anon_inode:[${kind}]`
  );
}

/** No thread of `pid` runs, or waits for a disk. The first one may have ended, and stays a zombie. */
export function isAsleep(pid: number): boolean {
  const states = namesIn(`/proc/${pid}/task`)
    .map((tid) => processStat(`${pid}/task/${tid}`)?.state ?? "Z")
    .filter((state) => state !== "Z");
  return states.length > 0 && states.every((state) => state === "S");
}

/** Threads of `pid` that run, or would if a processor were free, with the time that each has run; null: unknown. */
export function runningThreads(pid: number): Map<number, number | null> {
  const found = new Map<number, number | null>();
  for (const tid of namesIn(`/proc/${pid}/task`).map(Number)) {
    const { state } = processStat(`${pid}/task/${tid}`) ?? {};
    if (state === "R") found.set(tid, processorTimeOf(pid, tid));
  }
  return found;
}

/** Whether each thread that ran at the first look has run for `enoughNs` since, or has gone to sleep. */
export function haveRun(
  before: ReadonlyMap<number, number | null>,
  after: ReadonlyMap<number, number | null>,
  enoughNs: number,
): boolean {
  return [...before].every(([tid, from]) => {
    const to = after.get(tid);
    return to === undefined || (from !== null && to !== null && to - from >= enoughNs);
  });
}

/** Nanoseconds; null where the kernel does not say (CONFIG_SCHED_INFO). */
function processorTimeOf(pid: number, tid: number): number | null {
  const [run = ""] = (readText(`/proc/${pid}/task/${tid}/schedstat`) ?? "").split(" ");
  return run === "" ? null : Number(run);
}
