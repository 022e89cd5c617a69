/** A trapped bind(2) or listen(2), by the protocol of its socket. */
import type { TrappedCall } from "../platform/process/seccomp.ts";
import { adoptListen } from "./adopt_listen.ts";
import { adoptDatagrams } from "./datagrams/adopt_datagrams.ts";
import type { AdoptContext, CallReply, ListenerOwner, SocketCall } from "./listener_owner.ts";
import { adoptBind } from "./right_to_bind.ts";
import { bindAbstract, hintAtTaken, listenAtAbstract } from "./unix/adopt_abstract.ts";
import { bindPath, listenAtPath } from "./unix/adopt_path.ts";
import { addressAt, pathAt } from "./unix/path_text.ts";
import { bindPrivateName, pretendsPrivateName } from "./unix/private_name.ts";
import { abstractNameIn, pathInAddress } from "./unix/unix_name.ts";

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
      return isBind
        ? bindPrivateName(context, call, owner) ?? bindAbstract(context, call, owner) ??
          (context.followsPaths ? bindPath(context, call, owner) : leavePath(call, owner))
        : listenAtAbstract(context, call, owner) ?? listenAtPath(context, call, owner);
    case "unix-datagram":
      return isBind
        ? bindPrivateName(context, call, owner) ?? leaveDatagramSocket(call, owner)
        : "continue";
    case "udp":
      return isBind ? adoptDatagrams(context, call, owner) : "continue";
  }
}

/** A bind(2) of a socket that baton has no duplicate of. */
export function adoptUnseen(
  { platform, privateNames }: Pick<AdoptContext, "platform" | "privateNames">,
  call: TrappedCall,
): CallReply {
  return pretendsPrivateName(platform, call, privateNames) ? "done" : "continue";
}

/**
 * A Unix socket at a path that is left to its server: calls that name files are not trapped with --unix leave, or where
 * they would have no answer once baton is gone.
 */
function leavePath({ tid, args }: SocketCall, owner: ListenerOwner): CallReply {
  const path = pathAt(tid, Number(args[1] ?? 0n), Number(args[2] ?? 0n));
  if (path !== null) {
    owner.onHint(
      `it binds unix:${path}, which is not handed over with --unix leave or --orphan keep`,
    );
  }
  return "continue";
}

/**
 * A Unix datagram socket is left to its server: clients are connected to the socket that they have found, and would not
 * notice a switch of the path.
 */
function leaveDatagramSocket(
  { tid, args }: SocketCall,
  owner: ListenerOwner,
): CallReply {
  const bytes = addressAt(tid, Number(args[1] ?? 0n), Number(args[2] ?? 0n));
  const path = bytes && pathInAddress(bytes);
  const name = bytes && abstractNameIn(bytes);
  if (path !== null) {
    owner.onHint(
      `it binds the datagram socket unix:${path}, which is not handed over: say --order stop-first`,
    );
  } else if (name !== null) hintAtTaken(name, { tid }, owner, "datagrams");
  return "continue";
}
