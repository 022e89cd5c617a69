/** Finds the listeners of a generation that a helper holds, and lets go of them. */
import { isBelow, programOf } from "../platform/process/kinship.ts";
import { processStat } from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { Member } from "../steering/member.ts";
import { isHelper } from "./helper_role.ts";
import type { ListenerOwner } from "./listener_owner.ts";

interface FoundHelper {
  readonly pid: number;
  /** With the pid it names the process. */
  readonly startTime: number;
  readonly address: string;
}

/**
 * Lets go of helpers' listeners. From now on the kernel treats their addresses as without baton: a second helper gets
 * EADDRINUSE, because right_to_bind.ts finds a listener there that is none of the service's.
 */
export function releaseHelpers(
  listeners: Listeners,
  owner: Pick<ListenerOwner, "epoch" | "worker" | "leader">,
): FoundHelper[] {
  const { epoch, leader } = owner;
  const stat = leader === null ? null : processStat(leader);
  if (leader === null || stat === null) return [];
  const groups = listeners.groupsOf(epoch);
  // Only listeners that are not the leader's own are looked at, and most servers have none.
  const others = groups.flatMap((group) => foreignMember(group, owner));
  return others.flatMap(({ group, member: { owner: pid } }) => {
    const own = processStat(pid);
    if (own === null) return [];
    const found = isHelper({
      leaderLives: true,
      isBelowLeader: isBelow(pid, leader),
      sharesSession: own.session === stat.session,
      sharesProgram: sharesProgram(pid, leader),
      leaderListens: groups.some((each) => each !== group && isOfLeader(each, epoch, leader)),
    });
    if (!found) return [];
    listeners.release(group);
    return [{ pid, startTime: own.startTime, address: group.text }];
  });
}

/** A group with one member is simply left; in another the kernel would keep a member that the model does not have. */
function foreignMember(
  group: Group,
  { epoch, worker, leader }: Pick<ListenerOwner, "epoch" | "worker" | "leader">,
): { group: Group; member: Member }[] {
  const [member, ...more] = group.members;
  if (member === undefined || more.length > 0 || group.isFrozen) return [];
  const { owner, unheld, origin } = member;
  const isOurs = member.epoch === epoch && member.worker === worker;
  const mayBeHelpers = isOurs && owner !== 0 && owner !== leader && !unheld;
  return mayBeHelpers && origin === null ? [{ group, member }] : [];
}

function isOfLeader(group: Group, epoch: number, leader: number): boolean {
  return group.membersOf(epoch).some(({ owner, unheld }) =>
    !unheld && (owner === leader || owner !== 0 && isBelow(owner, leader))
  );
}

/**
 * Whether the process runs the leader's program; also where that cannot be found out: then it is treated as the
 * server's own.
 */
function sharesProgram(pid: number, leader: number): boolean {
  const [one, other] = [programOf(pid), programOf(leader)];
  return one === null || other === null || one === other;
}
