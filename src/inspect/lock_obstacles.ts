/** Which locks keep a starting server from going on, and who holds them. */
import {
  filesOpenForWriting,
  locksHeldBy,
  type OpenFile,
  pathOfInode,
} from "../platform/process/open_files.ts";
import { processName, readText } from "../platform/process/proc.ts";
import { parseLocks, waitsOf } from "./file_locks.ts";

interface LockObstacle {
  readonly path: string;
  /** Whether it sleeps in the kernel until it gets the lock; else it has the file open, and tries again and again. */
  readonly isWaiting: boolean;
  /** Process that holds the lock; -1: unknown. */
  readonly holder: number;
  readonly isHeldByServing: boolean;
}

/** @param serving processes of the generation that serves */
export function findLockObstacles(
  candidate: readonly number[],
  serving: readonly number[],
): LockObstacle[] {
  const open = candidate.flatMap(filesOpenForWriting);
  const waits = waitsInKernel(candidate, open, serving);
  const polled = open.length === 0 ? [] : tried(open, serving);
  const others = polled.filter(({ path }) => waits.every((wait) => wait.path !== path));
  return [...waits, ...others];
}

function waitsInKernel(
  candidate: readonly number[],
  open: readonly OpenFile[],
  serving: readonly number[],
): LockObstacle[] {
  const text = readText("/proc/locks") ?? "";
  if (!text.includes("->")) return [];
  const inodes = new Set(open.map(({ ino }) => ino));
  return waitsOf(parseLocks(text), candidate, inodes).map(({ ino, holder }) => {
    const path = pathIn(candidate, ino) ?? `a file (inode ${ino})`;
    // A lock that a process has inherited is listed under the process that asked for it, which may be gone.
    const owner = serving.includes(holder)
      ? holder
      : serving.find((pid) => pathOfInode(pid, ino) !== null);
    return { path, isWaiting: true, holder: owner ?? holder, isHeldByServing: owner !== undefined };
  });
}

function pathIn(pids: readonly number[], ino: number): string | null {
  for (const pid of pids) {
    const path = pathOfInode(pid, ino);
    if (path !== null) return path;
  }
  return null;
}

/** Files that a candidate has open for writing and has not locked, and that the serving generation holds locked. */
function tried(open: readonly OpenFile[], serving: readonly number[]): LockObstacle[] {
  const locked = exclusivelyLockedBy(serving);
  const wanted = new Map(open.map((file) => [file.key, file]));
  return [...wanted].flatMap(([key, file]) => {
    const holder = locked.get(key)?.pid;
    if (holder === undefined || isExclusivelyLocked(file)) return [];
    return [{ path: file.path, isWaiting: false, holder, isHeldByServing: true }];
  });
}

export function exclusivelyLockedBy(pids: readonly number[]): Map<string, OpenFile> {
  const locked = pids.flatMap(filesOpenForWriting).filter(isExclusivelyLocked);
  return new Map(locked.reverse().map((file) => [file.key, file]));
}

function isExclusivelyLocked(file: OpenFile): boolean {
  return locksHeldBy(file).flatMap(parseLocks).some(({ isExclusive }) => isExclusive);
}

/** @returns "waits for the lock on /d/db, held by generation 0 (etcd, pid 12)", what the subject is being said elsewhere */
export function describeObstacle(
  { path, isWaiting, holder, isHeldByServing }: LockObstacle,
  servingEpoch: number | null,
): string {
  const name = processName(holder) ?? "a process that is gone";
  const owner = isHeldByServing
    ? `generation ${servingEpoch} (${name}, pid ${holder}): use --order stop-first`
    : holder > 0
    ? `${name} (pid ${holder})`
    : "another process";
  return `${isWaiting ? "waits for" : "needs"} the lock on ${path}, held by ${owner}`;
}
