/** Whether a UDP socket may be bound beside others at its address. Where an unwrapped server gets an error, it gets it too. */
import * as proc from "../../platform/process/proc.ts";
import { addressText } from "../../steering/group_address.ts";
import type { GroupAddress } from "../../steering/member.ts";
import { type AdoptContext, holdsSocketOf, type ListenerOwner } from "../listener_owner.ts";
import { overlapText } from "../unmanaged_listeners.ts";
import { holderOfDatagrams, unmanagedDatagrams } from "./unmanaged_datagrams.ts";

/** <linux/capability.h> */
const CAP_NET_BIND_SERVICE = 10;
const FIRST_FREE_PORT = 1024;

/** `shared`: beside the other generations. `own`: as the server asked for it. `none`: EADDRINUSE. */
type RightToJoin = "shared" | "own" | "none";

export function rightToJoin(
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
  // In a group with a socket of a stranger the places in the kernel's array are not known.
  owner.onHint(`${addressText(wanted)} is held by ${holderOfDatagrams(unmanaged)}`);
  return "own";
}

/** The bind is baton's: it must not be allowed more than the caller. */
export function mayBind(tid: number, port: number): boolean {
  const first = proc.sysctl("net/ipv4/ip_unprivileged_port_start");
  if (port >= Number(first ?? FIRST_FREE_PORT)) return true;
  return proc.hasCapability(CAP_NET_BIND_SERVICE, tid);
}
