/**
 * Listening sockets that were passed to baton become members of their groups. They are never shut down, so that the
 * next baton finds them with their queues. They belong to a systemd socket unit, or are an earlier baton's standby
 * sockets from the manager's store.
 *
 * Another socket can join when both have SO_REUSEPORT and belong to the same user. systemd sets it before bind only
 * with ReusePort=yes; set later it works as well [measured, Linux 6.18], but a listener without a group takes no program
 * (EINVAL), and gets a group only when another one joins. So one joins for a moment, behind a filter that drops every
 * handshake: a client that connects in that moment retries after a second.
 */
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { formatAddress } from "../platform/network/address.ts";
import { addActivatedPath } from "./unix/activated_path.ts";
import type { Listeners } from "../steering/listeners.ts";
import { type GroupAddress, NO_GENERATION } from "../steering/member.ts";
import { bindJoinable, boundSocket } from "../steering/bound_socket.ts";
import { programFor } from "../steering/bpf_program.ts";

/** Attached as a reuseport program it chooses the first member, as a socket filter it lets nothing pass. */
const RETURN_ZERO = programFor({ receiving: [0] });

/** A listening socket passed to baton at its start: the manager's own, or one that a baton has stored. */
export type InheritedSocket =
  & { readonly fd: Fd }
  & (
    | { readonly origin: "grouped" | "standby"; readonly address: GroupAddress }
    | { readonly origin: "grouped"; readonly path: string }
  );

/**
 * Makes members of `sockets`, and takes them over.
 * @returns notices for the user: listeners that all generations will have to share
 */
export function addActivatedSockets(
  platform: Platform,
  listeners: Listeners,
  sockets: readonly InheritedSocket[],
): string[] {
  const notices: string[] = [];
  for (const socket of sockets) {
    if ("path" in socket) {
      notices.push(...addActivatedPath(platform, listeners, socket));
      continue;
    }
    const { address, fd, origin: wanted } = socket;
    if (wanted === "standby") {
      notices.push(...addStandby(listeners, address, fd));
      continue;
    }
    const obstacle = makeJoinable(platform, fd, address);
    const origin = obstacle === null ? "grouped" : "shared";
    listeners.obtain(address).addListening(fd, { epoch: NO_GENERATION, origin });
    if (obstacle !== null) {
      const at = formatAddress(address);
      notices.push(
        `the socket at ${at} is shared by all generations, which is not as good as one for ` +
          `each: ${obstacle}; a new one may get connections before it has passed its gate`,
      );
    }
  }
  return notices;
}

/** The socket has joined a group already, but may belong to another user than baton runs as now. */
function addStandby(listeners: Listeners, address: GroupAddress, fd: Fd): string[] {
  const group = listeners.obtain(address);
  group.addListening(fd, { epoch: NO_GENERATION, origin: "standby" });
  try {
    boundSocket(group).close();
    return [];
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    listeners.closeGroup(group);
    return [
      `the socket at ${group.text} that the previous instance has kept cannot be used: ${error.message}`,
    ];
  }
}

/** @returns null, or why no other socket can join */
function makeJoinable(platform: Platform, socket: Fd, address: GroupAddress): string | null {
  const { sockets } = platform;
  const before = sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT);
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
  using joining = sockets.stream(address.family);
  try {
    bindJoinable(sockets, joining, address);
    sockets.attachFilter(joining, RETURN_ZERO);
    sockets.listen(joining, 1);
    sockets.attachReuseportProgram(socket, RETURN_ZERO);
    return null;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, before);
    if (error.errno === C.EADDRINUSE) return "it belongs to another user than baton runs as";
    if (error.errno !== C.EACCES) return error.message;
    return "baton may not bind that port itself (CAP_NET_BIND_SERVICE)";
  }
}
