/** A trapped bind(2) or listen(2), by the protocol of its socket. */
import { adoptListen } from "./adopt_listen.ts";
import { adoptDatagrams } from "./datagrams/adopt_datagrams.ts";
import type { AdoptContext, CallReply, ListenerOwner, SocketCall } from "./listener_owner.ts";
import { adoptBind } from "./right_to_bind.ts";
import { bindPath, listenAtPath } from "./unix/adopt_path.ts";

export function adoptSocket(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
  isBind: boolean,
): CallReply {
  switch (call.protocol) {
    case "tcp":
      return isBind ? adoptBind(context, call, owner) : adoptListen(context, call, owner);
    case "unix-stream":
    case "unix-seqpacket":
      return isBind ? bindPath(context, call, owner) : listenAtPath(context, call, owner);
    case "udp":
      return isBind ? adoptDatagrams(context, call, owner) : "continue";
  }
}
