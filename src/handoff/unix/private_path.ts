/** Whether a Unix socket is for those only who learn its path from the process (path_rules.ts). */
import { ticksNow } from "../../platform/clock.ts";
import type { Directory } from "../../platform/files/directory.ts";
import type { Platform } from "../../platform/platform.ts";
import { processStat } from "../../platform/process/proc.ts";
import { pathOf } from "../../steering/group_address.ts";
import type { UnixAddress } from "../../steering/member.ts";
import type { ListenerOwner } from "../listener_owner.ts";
import { isPrivatePath } from "./path_rules.ts";

/** The unit of process start times. */
const MS_PER_TICK = 10;

export function isPrivateAt(
  platform: Pick<Platform, "clock" | "libc">,
  directory: Directory,
  { address, pid, owner }: {
    readonly address: UnixAddress;
    readonly pid: number;
    readonly owner: ListenerOwner;
  },
): boolean {
  const pids = [pid, ...owner.processes()];
  const sinceMs = directory.privateSinceMs;
  const ageMs = sinceMs === null ? Infinity : platform.clock.wallMs() - sinceMs;
  const isInOwnDirectory = ageMs <= ageOfLeaderMs(platform, owner);
  return isPrivatePath({ path: pathOf(address), pids, isInOwnDirectory });
}

/** -1: it has ended. */
function ageOfLeaderMs({ libc }: Pick<Platform, "libc">, { leader }: ListenerOwner): number {
  const stat = leader === null ? null : processStat(leader);
  return stat === null ? -1 : (ticksNow(libc) - stat.startTime) * MS_PER_TICK;
}
