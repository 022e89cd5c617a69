/**
 * Whether a server's bind(2) at an address is allowed beside the listeners there and at overlapping addresses. Where
 * an unwrapped server gets EADDRINUSE, it gets it here too, and its generation gets a hint why.
 */
import { formatAddress } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import { type Listeners, overlaps } from "../steering/listeners.ts";
import type { GroupAddress } from "../steering/member.ts";
import { refreshSocketHolders } from "./socket_holders.ts";
import { holderOf, listenersOverlapping, overlapText } from "./unmanaged_listeners.ts";
import type { ListenerOwner } from "./listener_owner.ts";

/** `shared`: beside the other generations. `own`: as the server asked for it. `none`: EADDRINUSE. */
type RightToBind = "shared" | "own" | "none";

export function rightToBind(
  platform: Platform,
  listeners: Listeners,
  wanted: GroupAddress,
  owner: ListenerOwner,
): RightToBind {
  // With the server's own SO_REUSEPORT the kernel would allow it.
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
