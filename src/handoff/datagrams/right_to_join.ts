/** Whether a UDP socket may be bound beside others at its address. Where an unwrapped server gets an error, it gets it too. */
import { mayBindPort } from "../../platform/process/capabilities.ts";
import { addressText } from "../../steering/group_address.ts";
import type { GroupAddress } from "../../steering/member.ts";
import { type AdoptContext, holdsSocketOf, type ListenerOwner } from "../listener_owner.ts";
import { overlapText } from "../unmanaged_listeners.ts";
import { holderOfDatagrams, unmanagedDatagrams } from "./unmanaged_datagrams.ts";

/** `shared`: beside the other generations. `own`: as the server asked for it. `none`: EADDRINUSE. */
type RightToJoin = "shared" | "own" | "none";

/** The thread that binds, and whether the server has set SO_REUSEPORT itself. */
interface Binder {
  readonly tid: number;
  readonly sharesPort: boolean;
}

export function rightToJoin(
  context: AdoptContext,
  wanted: GroupAddress,
  owner: ListenerOwner,
  { tid, sharesPort }: Binder,
): RightToJoin {
  const right = rightBesideOthers(context, wanted, owner, sharesPort);
  // A shared bind is baton's: it must not be allowed more than the caller.
  return right === "shared" && !mayBindPort(tid, wanted.port) ? "own" : right;
}

function rightBesideOthers(
  { listeners }: AdoptContext,
  wanted: GroupAddress,
  owner: ListenerOwner,
  sharesPort: boolean,
): RightToJoin {
  const { epoch } = owner;
  const other = listeners.overlapping(wanted, [epoch, owner.replacementOf]);
  if (other !== null) {
    owner.onHint(overlapText(addressText(wanted), other));
    return "none";
  }
  const group = listeners.find(wanted);
  // The kernel does not report a connect(2).
  group?.findShutDown();
  if (group !== null && holdsSocketOf(group, owner)) return sharesPort ? "shared" : "own";
  const unmanaged = unmanagedDatagrams(listeners, wanted);
  if (unmanaged === null) return "shared";
  // In a group with another program's socket the places in the kernel's array are not known.
  owner.onHint(`${addressText(wanted)} is held by ${holderOfDatagrams(unmanaged)}`);
  return "own";
}
