/** What the processes of a generation do with one of its listeners, as /proc shows it. */
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import { hasEventLoop, hasRing, isAsleep } from "../platform/process/rest.ts";
import type { Member } from "../steering/member.ts";
import { acceptorOf } from "./accept_watch.ts";

/** What is known of a server's readiness, from the least to the most. */
const USES = [
  /** No process has it open. */
  "unheld",
  /** A process has it open, and none waits for connections. */
  "held",
  /** /proc does not show what some process has open: it may be any of these. */
  "unseen",
  /** A process waits for connections, and does something else beside. */
  "accepting",
  /** A process waits for connections, and nothing else happens in it. */
  "resting",
] as const;
export type ListenerUse = typeof USES[number];

/** What is known most of any of `members`: each process is looked at once, since hundreds are as many descriptors. */
export function listenerUse(
  platform: Platform,
  members: readonly Member[],
  pids: readonly number[],
): ListenerUse {
  if (members.length === 0) return USES[0];
  const uses = pids.map((pid) => USES.indexOf(useBy(platform, members, pid)));
  return USES[Math.max(0, ...uses)]!;
}

/**
 * Whether the processes that have `member` open are at rest, and none of them waits for connections there. One that is busy
 * may accept later; "perhaps": so may one without an event loop, whose next wait nothing shows.
 */
export function isIgnored(
  platform: Platform,
  member: Member,
  pids: readonly number[],
): "no" | "perhaps" | "surely" {
  if (listenerUse(platform, [member], pids) !== "held") return "no";
  const holders = pids.filter((pid) => proc.socketInodesOf(pid, [member.inode]).has(member.inode));
  if (!holders.every(isAsleep)) return "no";
  return holders.some(hasEventLoop) ? "surely" : "perhaps";
}

function useBy(platform: Platform, members: readonly Member[], pid: number): ListenerUse {
  if (!proc.canSeeDescriptors(proc.liveThreadOf(pid))) return "unseen";
  // Not by its epoll sets alone: while baton has a duplicate, they go on watching what the process has closed.
  const open = proc.socketInodesOf(pid, members.map(({ inode }) => inode));
  const held = members.filter(({ inode }) => open.has(inode));
  const isHeld = held.length > 0;
  const accepts = isHeld && acceptorOf(platform, held, [pid]) !== null;
  // A ring can have a listener, and accept from it, without a descriptor of the process.
  if (!accepts && !hasRing(pid)) return isHeld ? "held" : "unheld";
  return isAsleep(pid) ? "resting" : "accepting";
}
