/**
 * A trapped bind(2) behind a proxy (--front): the socket gets a private address, and the server is answered as if it
 * had the public one. Where an unwrapped server gets an error, it gets the same one here.
 */
import { SystemCallError } from "../../platform/error.ts";
import { C } from "../../platform/libc/constants.ts";
import { formatAddress } from "../../platform/network/address.ts";
import { mayBindPort } from "../../platform/process/capabilities.ts";
import type { PrivateAddresses } from "../../steering/front/private_addresses.ts";
import type { GroupAddress } from "../../steering/member.ts";
import {
  type AdoptContext,
  type CallReply,
  isTaken,
  type ListenerOwner,
  type SocketCall,
} from "../listener_owner.ts";
import { isLeftAlone } from "../opener.ts";
import { overlapText } from "../unmanaged_listeners.ts";

export function bindPrivately(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
  { address, places }: { readonly address: GroupAddress; readonly places: PrivateAddresses },
): CallReply {
  const { platform: { sockets }, listeners } = context;
  const { socket, pid, tid } = call;
  const other = listeners.overlapping(address, [owner.epoch, owner.replacementOf]);
  if (other !== null) {
    owner.onHint(overlapText(formatAddress(address), other));
    return { errno: C.EADDRINUSE };
  }
  const isPrefork = sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT) !== 0;
  if (!isPrefork && isTaken(listeners, address, owner)) return { errno: C.EADDRINUSE };
  if (isLeftAlone(context, address, pid, owner)) return "continue";
  if (!mayBindPort(tid, address.port)) return { errno: C.EACCES };
  try {
    places.bindFor(socket, address, owner.epoch);
    return "done";
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    // EINVAL is the server's own mistake: the socket is bound already.
    if (error.errno !== C.EINVAL) {
      const wanted = formatAddress(address);
      owner.onHint(
        `no private address is free for ${wanted}: ${error.message}; --front ...,address=IP names one`,
      );
    }
    return { errno: error.errno };
  }
}
