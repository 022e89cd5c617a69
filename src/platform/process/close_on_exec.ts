/**
 * Which of this process's descriptors a program that it executes gets: close_range(2) for all of them at once, and
 * fcntl(2) one by one where that is missing.
 */
import { SystemCallError } from "../error.ts";
import { C } from "../libc/constants.ts";
import type { Libc } from "../libc/libc.ts";
import { namesIn } from "./proc.ts";

export const LARGEST_DESCRIPTOR = 0x7fffffff;

/** Whether one call can do it here. */
export function canCloseRange(libc: Libc): boolean {
  return closeRange(libc, LARGEST_DESCRIPTOR) === 0;
}

/** @returns its errno, 0 when it has worked */
function closeRange(libc: Libc, first: number): number {
  const { SYS_close_range } = libc.arch;
  const [last, flags] = [LARGEST_DESCRIPTOR, C.CLOSE_RANGE_CLOEXEC];
  return libc.c.syscall(SYS_close_range, first, last, flags, 0, 0) === 0 ? 0 : libc.errno;
}

/**
 * Sets close-on-exec for every descriptor from `first` on. The flag is refused before Linux 5.11 (EINVAL), the call in
 * containers whose seccomp profile is older than it (EPERM, ENOSYS).
 * @returns the call that did it
 * @throws {SystemCallError} when neither works, because /proc is not mounted
 */
export function closeOnExecFrom(libc: Libc, first: number): "close_range" | "fcntl" {
  const errno = closeRange(libc, first);
  if (errno === 0) return "close_range";
  const open = namesIn("/proc/self/fd").map(Number);
  // The descriptor that reads the list is in it.
  if (open.length === 0) {
    throw new SystemCallError("close_range", errno, `descriptors from ${first}, and no /proc`);
  }
  for (const number of open) {
    // A descriptor that was closed since the list was read needs nothing.
    if (number >= first) libc.c.fcntl(number, C.F_SETFD, C.FD_CLOEXEC);
  }
  return "fcntl";
}
