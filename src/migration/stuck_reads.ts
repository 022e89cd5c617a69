/**
 * Reads in blocking mode that began on a paused connection: they keep a request until much more comes, even when the
 * connection is paused no longer (tcp_recvmsg_locked in the kernel computes once what it waits for). Baton makes them return.
 */
import { SystemCallError } from "../platform/error.ts";
import { Interruption } from "../platform/interruption.ts";
import type { Platform } from "../platform/platform.ts";
import { blockedCalls } from "../platform/process/proc.ts";
import type { OldDescriptor } from "./in_flight.ts";

/** How long a thread may take to stop: one that is woken stops when it gets a processor. */
const WAIT_MS = 20;
const RETRY_MS = 2;
/** How often, at this interval, a thread is looked for again that has the request and may be about to wait for more. */
const LOOKS = 3;
const LOOK_MS = 20;

/** @param connection one that is not paused now */
export function freeStuckReads(
  platform: Platform,
  connection: Pick<OldDescriptor, "pid" | "descriptor">,
  looks = LOOKS,
): void {
  if (freeReads(platform, connection) || looks === 1) return;
  platform.clock.after(LOOK_MS, () => freeStuckReads(platform, connection, looks - 1));
}

/** @returns whether any was found */
function freeReads(
  platform: Platform,
  { pid, descriptor }: Pick<OldDescriptor, "pid" | "descriptor">,
): boolean {
  let isFound = false;
  const { SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg } = platform.libc.arch;
  const reads: readonly number[] = [SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg];
  for (const { tid, call, args } of blockedCalls(pid)) {
    if (!reads.includes(call) || args[0] !== descriptor) continue;
    isFound = true;
    const interruption = new Interruption(platform.libc, tid);
    try {
      interruption.begin();
    } catch (error) {
      // Where baton may not interrupt it, the read returns when the client gives up.
      if (error instanceof SystemCallError) continue;
      throw error;
    }
    end(platform, interruption);
  }
  return isFound;
}

function end(platform: Platform, interruption: Interruption): void {
  const { clock } = platform;
  const untilMs = clock.now() + WAIT_MS;
  while (!interruption.end()) {
    if (clock.now() < untilMs) continue;
    clock.after(RETRY_MS, () => end(platform, interruption));
    return;
  }
}
