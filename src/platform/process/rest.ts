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

/** Whether no thread of `pid` runs, or waits for a disk. The first one may have ended, and stays a zombie. */
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

/** Which threads of a process have had a turn on a processor in a row of looks at those that run, or would. */
export interface Turns {
  /** Threads without a turn so far, with the time that each had run at the first look that found it. */
  readonly waiting: ReadonlyMap<number, number | null>;
  readonly over: ReadonlySet<number>;
}

export const NO_TURNS: Turns = { waiting: new Map(), over: new Set() };

/**
 * A turn is over when a thread has run for `enoughNs` since it was first seen, or has gone to sleep. One that slept at the
 * first look counts from the look that finds it awake: its timer may have ended while no processor was free.
 */
export function nextTurns(
  { waiting, over }: Turns,
  running: ReadonlyMap<number, number | null>,
  enoughNs: number,
): Turns {
  const next = { waiting: new Map<number, number | null>(), over: new Set(over) };
  for (const [tid, from] of waiting) {
    const to = running.get(tid);
    const isOver = to === undefined || (from !== null && to !== null && to - from >= enoughNs);
    if (isOver) next.over.add(tid);
    else next.waiting.set(tid, from);
  }
  for (const [tid, ranNs] of running) {
    if (!next.over.has(tid) && !next.waiting.has(tid)) next.waiting.set(tid, ranNs);
  }
  return next;
}

/** Time that a thread has run, in nanoseconds; null where the kernel does not say (CONFIG_SCHED_INFO). */
function processorTimeOf(pid: number, tid: number): number | null {
  const [run = ""] = (readText(`/proc/${pid}/task/${tid}/schedstat`) ?? "").split(" ");
  return run === "" ? null : Number(run);
}
