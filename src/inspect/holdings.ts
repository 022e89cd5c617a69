/**
 * What a serving generation holds that a second copy may have met: locks, Unix sockets, pid files. It says nothing about
 * whether the copy did: for the reason of one that exited without a word.
 */
import { processName } from "../platform/process/proc.ts";
import { exclusivelyLockedBy } from "./lock_obstacles.ts";
import { pidFilesOf } from "./pid_files.ts";
import { listeningSocketsOf } from "./unix_sockets.ts";

const MOST_OF_A_KIND = 3;
const MOST = 4;

/** @returns "the lock on /run/a.lock (master, pid 12)", one for each thing; empty: nothing that is known of */
export function holdingsOf(pids: readonly number[]): string[] {
  const named = (pid: number) => `${processName(pid) ?? "?"}, pid ${pid}`;
  const locked = [...exclusivelyLockedBy(pids).values()];
  const locks = locked.map(({ path, pid }) => `the lock on ${path} (${named(pid)})`);
  const sockets = listeningSocketsOf(pids)
    .map(({ path, pid }) => `the Unix socket ${path} (${named(pid)})`);
  const files = pidFilesOf(pids)
    .filter(({ path }) => locked.every((lock) => lock.path !== path))
    .map(({ path, pid }) => `the pid file ${path} (${named(pid)})`);
  // What refuses a second copy for certain comes first.
  return [locks, files, sockets].flatMap((each) => each.slice(0, MOST_OF_A_KIND)).slice(0, MOST);
}
