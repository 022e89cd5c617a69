/** Whose a socket is: sockets of one reuseport group have one user (inet_rcv_saddr_equal and uid). */
import { chownSync } from "node:fs";
import { SystemCallError } from "../error.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { statOf } from "../files/path.ts";

/**
 * Makes `socket` belong to the user of `example`, by chown(2) of the socket itself; root may.
 * @throws {SystemCallError} EPERM
 */
export function giveToUserOf(socket: Fd, example: Fd): void {
  const path = `/proc/self/fd/${socket.number}`;
  const wanted = statOf(`/proc/self/fd/${example.number}`);
  const own = statOf(path);
  if (wanted === null || own === null || wanted.uid === own.uid) return;
  try {
    chownSync(path, wanted.uid, own.gid);
  } catch {
    throw new SystemCallError("chown", C.EPERM, `a socket to user ${wanted.uid}, as the server's`);
  }
}
