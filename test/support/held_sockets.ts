/** What is held back on the connections of a server, as the kernel says: by a duplicate of each, as baton reaches them. */
import { orNull } from "../../src/platform/error.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { openFds } from "./proc.ts";

export interface HeldSockets {
  /** TCP_CORK is set: the ends of answers wait. */
  readonly corked: number;
  /** Data does not wake the server: SO_RCVLOWAT. */
  readonly paused: number;
}

export function heldSockets({ processes, sockets }: Platform, pid: number): HeldSockets {
  using pidfd = orNull(() => processes.openPidfd(pid));
  let [corked, paused] = [0, 0];
  if (pidfd === null) return { corked, paused };
  for (const [number, target] of openFds(pid)) {
    if (!target.startsWith("socket:")) continue;
    using socket = orNull(() => processes.duplicateFrom(pidfd, number));
    if (socket === null || orNull(() => sockets.tcpState(socket)) !== C.TCP_ESTABLISHED) continue;
    if (sockets.option(socket, C.IPPROTO_TCP, C.TCP_CORK) !== 0) corked++;
    if (sockets.option(socket, C.SOL_SOCKET, C.SO_RCVLOWAT) > 1) paused++;
  }
  return { corked, paused };
}
