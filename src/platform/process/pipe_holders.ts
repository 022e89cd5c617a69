/** Finds the processes that write to a pipe, by their descriptors in /proc. proc(5) */
import type { ArchConstants } from "../libc/arch.ts";
import { C } from "../libc/constants.ts";
import { blockedCalls, descriptorFlags, descriptorTarget, namesIn } from "./proc.ts";

/** A descriptor of another process that writes to a pipe. */
export interface WritingEnd {
  readonly number: number;
  readonly closeOnExec: boolean;
  /** O_NONBLOCK: a write may be partial or fail with EAGAIN; the writer then waits for room, mostly by epoll. */
  readonly isNonblocking: boolean;
}

/** @param pipe "pipe:[45]" @returns empty also where we may not look */
export function writingEnds(pid: number, pipe: string): WritingEnd[] {
  return namesIn(`/proc/${pid}/fd`).map(Number).flatMap((number) => {
    if (descriptorTarget(pid, number) !== pipe) return [];
    const flags = descriptorFlags(pid, number);
    if (flags === null || (flags & C.O_ACCMODE) === C.O_RDONLY) return [];
    return [{
      number,
      closeOnExec: (flags & C.O_CLOEXEC) !== 0,
      isNonblocking: (flags & C.O_NONBLOCK) !== 0,
    }];
  });
}

/** Whether a thread of `pid` is in the middle of a write to one of `ends`, and waits for room. */
export function waitsForRoom(
  pid: number,
  ends: readonly WritingEnd[],
  { SYS_write, SYS_writev }: ArchConstants,
): boolean {
  return blockedCalls(pid).some(({ call, args }) =>
    (call === SYS_write || call === SYS_writev) && ends.some(({ number }) => number === args[0])
  );
}

export function countThreads(pid: number): number {
  return namesIn(`/proc/${pid}/task`).length;
}
