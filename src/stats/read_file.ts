/** Statistics as another process finds them: through a link to the memory of a baton, which need not answer. */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { exists, statOf } from "../platform/files/path.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { isExiting, linkTarget } from "../platform/process/proc.ts";
import { mapShared } from "../platform/shared_memory.ts";
import { readSlots, REGION_SIZE } from "./layout.ts";
import { mergeSeries, sampleOf } from "./merge.ts";
import { REGION_NAME } from "./region.ts";
import type { Sample } from "./series.ts";

/**
 * @param path of the link
 * @returns null when there is no such memory any more: its baton has ended
 * @throws {SystemCallError} when it may not be read; {Error} when this version cannot read it
 */
export function readStats(platform: Platform, path: string): Sample[] | null {
  const place = linkTarget(path) ?? "";
  const pid = Number(/^\/proc\/(\d+)\/fd\/\d+$/.exec(place)?.[1] ?? NaN);
  if (Number.isNaN(pid) || !mayBeRegion(place, pid)) return null;
  using fd = openThere(platform, place, pid);
  if (fd === null) return null;
  if ((statOf(`/proc/self/fd/${fd.number}`)?.size ?? 0) < REGION_SIZE) return null;
  const memory = mapShared(platform.libc, fd, REGION_SIZE, "read");
  return mergeSeries(readSlots(memory)).map(sampleOf);
}

/**
 * Whether the file may be such a memory: a process id may belong to another process by now, and the number to any file
 * of it, which must not be opened.
 */
function mayBeRegion(place: string, pid: number): boolean {
  const file = linkTarget(place);
  // A process of another user: open(2) says so.
  return file === null ? exists(`/proc/${pid}`) : file.startsWith(`/memfd:${REGION_NAME}`);
}

/** @returns null when the process has ended, or is about to: then EACCES stands for that, too, for some 40 ms [measured] */
function openThere({ descriptors }: Platform, place: string, pid: number): Fd | null {
  try {
    return descriptors.open(place, C.O_RDONLY | C.O_NONBLOCK);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.errno === C.ENOENT || isExiting(pid)) return null;
    throw error;
  }
}
