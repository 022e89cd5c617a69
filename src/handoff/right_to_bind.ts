/**
 * What becomes of a server's bind(2) at an address, beside all who listen there or at one that overlaps. Where an
 * unwrapped server would get EADDRINUSE it must get it here too; the owner is told why.
 */
import { formatAddress } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import { type Listeners, overlaps } from "../steering/listeners.ts";
import type { GroupAddress } from "../steering/member.ts";
import { refreshSocketHolders } from "./socket_holders.ts";
import { holderOf, listenersOverlapping, overlapText } from "./unmanaged_listeners.ts";
import type { ListenerOwner } from "./listener_owner.ts";

/** `shared`: beside the other generations. `own`: as the server has asked for it. `none`: not at all. */
type RightToBind = "shared" | "own" | "none";

export function rightToBind(
  platform: Platform,
  listeners: Listeners,
  wanted: GroupAddress,
  owner: ListenerOwner,
): RightToBind {
  // With SO_REUSEPORT of the server's own the kernel would let it.
  const rival = listeners.rivalOf(wanted, [owner.epoch, owner.replacementOf]);
  if (rival !== null) {
    owner.onHint(overlapText(formatAddress(wanted), rival));
    return "none";
  }
  if (isTaken(listeners, wanted, owner)) return "own";
  if (listeners.find(wanted) !== null) return "shared";
  const [unmanaged] = listenersOverlapping(platform, wanted)
    .filter(({ inode }) => listeners.findMember(inode) === null);
  if (unmanaged === undefined) return "shared";
  owner.onHint(`${formatAddress(wanted)} is held by ${holderOf(unmanaged)}`);
  return "own";
}

/** A process of the same generation listens there, or at an address that overlaps. */
function isTaken(listeners: Listeners, wanted: GroupAddress, owner: ListenerOwner): boolean {
  return listeners.groupsOf(owner.epoch).some((group) => {
    if (!overlaps(group.address, wanted)) return false;
    refreshSocketHolders(group, owner);
    return group.membersOf(owner.epoch).some(({ owner, unheld }) => owner !== 0 && !unheld);
  });
}
