/** Makes servers accept: one may wait for a new connection before it calls accept(2). */
import { orNull } from "../platform/error.ts";
import { reachable } from "../platform/network/address.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Group } from "../steering/group.ts";

/** In a server with many accepting threads the wake-up connection may wake a thread of another listener. */
export const WAKE_AGAIN_MS = 50;

/** Connects to each group once, and hangs up. */
export function wakeAcceptors({ sockets }: Platform, groups: Iterable<Group>): void {
  for (const { tcp, path, members, isReceiving } of new Set(groups)) {
    const place = members.find((each) => isReceiving(each) && each.place)?.place;
    try {
      using socket = sockets.stream((place ?? tcp)?.family ?? "unix", { nonblocking: true });
      if (place !== undefined) sockets.connectInet(socket, place);
      else if (tcp !== null) sockets.connectInet(socket, reachable(tcp));
      else if (path !== null) sockets.connectUnix(socket, path.publicPath);
    } catch {
      // EINPROGRESS is as good, and any other new connection wakes the server too.
    }
  }
}

/** Wakes servers while they have connections to accept. */
export class Alarm {
  /** There are more since the last time. */
  hasMore = false;
  #rangAtMs = -Infinity;

  constructor(readonly platform: Platform) {}

  /** Now and then; at once when there are more, unless a connection waits in the kernel already, which wakes them too. */
  ring(atMs: number, groups: ReadonlySet<Group>): void {
    const isNew = () => this.hasMore && ![...groups].some((group) => this.#hasWaiting(group));
    if (atMs - this.#rangAtMs < WAKE_AGAIN_MS && !isNew()) return;
    this.#rangAtMs = atMs;
    this.hasMore = false;
    wakeAcceptors(this.platform, groups);
  }

  #hasWaiting({ members, isReceiving }: Group): boolean {
    const { sockDiag } = this.platform;
    const waitingIn = (fd: Fd) => orNull(() => sockDiag.waitingIn(fd)) ?? 0;
    return members.filter(isReceiving).some(({ heldUntilRetired: fd }) => waitingIn(fd) > 0);
  }
}
