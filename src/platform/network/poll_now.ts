/** What poll(2) says about a socket. */
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { struct } from "../libc/libc.ts";
import type { Sockets } from "./sockets.ts";

/**
 * Whether a Unix listener was shut down for both sides, shutdown(2): the kernel still calls it a listener, and refuses.
 * unix_poll()
 */
export function isShutDown(sockets: Sockets, listener: Fd): boolean {
  return (pollNow(sockets, listener, 0) & C.EPOLLHUP) !== 0;
}

/** @returns the events of `wanted` that are there now, and a hang-up or error */
export function pollNow({ libc }: Sockets, fd: Fd, wanted: number): number {
  const { bytes, view } = struct(8);
  view.setInt32(0, fd.number, true);
  view.setInt16(4, wanted, true);
  libc.check(libc.retry(() => libc.c.poll(bytes, 1, 0)), "poll", `descriptor ${fd.number}`);
  return view.getInt16(6, true);
}
