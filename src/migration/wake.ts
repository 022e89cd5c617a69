/** Makes servers accept: one may wait for a new connection before it calls accept(2). */
import { reachable } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import type { Group } from "../steering/group.ts";

/** In a server with many accepting threads the wake-up connection may wake a thread of another listener. */
export const WAKE_AGAIN_MS = 50;

/** Connects to each group once, and hangs up. */
export function wakeAcceptors({ sockets }: Platform, groups: Iterable<Group>): void {
  for (const { tcp, path } of new Set(groups)) {
    try {
      using socket = sockets.stream(tcp?.family ?? "unix", { nonblocking: true });
      if (tcp !== null) sockets.connectInet(socket, reachable(tcp));
      else if (path !== null) sockets.connectUnix(socket, path.publicPath);
    } catch {
      // EINPROGRESS is as good, and any other new connection wakes the server too.
    }
  }
}
